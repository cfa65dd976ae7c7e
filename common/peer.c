/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "common/decimal.h"
#include "common/peer.h"

/* Linux 6.5; the C library of Debian 12 does not name it. Some architectures number it otherwise
 * and define it, then, in their own header. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* status names every supplementary group of a process; whoever has more than fit is refused. */
#define PROC_STATUS_SIZE 16384U
/* stat is a line of numbers. Of uid_map no more is of interest than whether it is the one line. */
#define PROC_LINE_SIZE 1024U

void peer_deinit(Peer *peer) {
        close_fd(peer->pidfd);
        *peer = (Peer)PEER_NULL;
}

bool peer_is_servable(const struct ucred *credentials) {
        return credentials->pid > 1 && credentials->uid <= PEER_UID_MAX &&
               credentials->uid != PEER_UID_OVERFLOW && credentials->uid != (uint16_t)-1;
}

int peer_get_credentials(int fd, struct ucred *ret) {
        struct ucred credentials = {.uid = PEER_UID_INVALID, .gid = (gid_t)-1};
        socklen_t n = sizeof(credentials);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0)
                return -errno;
        if (n != sizeof(credentials) || !peer_is_servable(&credentials))
                return PEER_E_REFUSED;

        *ret = credentials;
        return 0;
}

int peer_get_pidfd(int fd, int *ret) {
        socklen_t n = sizeof(int);
        int pidfd = -EBADF;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) < 0) {
                if (errno == ENOPROTOOPT)
                        return PEER_E_UNSUPPORTED;
                if (errno == EINVAL || errno == ESRCH || errno == ENODATA)
                        return PEER_E_GONE;
                return -errno;
        }

        /* The kernel sets close-on-exec on every pidfd. */
        *ret = pidfd;
        return 0;
}

int peer_init(Peer *peer, int fd, bool use_peerpidfd) {
        struct ucred credentials = {.uid = PEER_UID_INVALID, .gid = (gid_t)-1};
        Peer pinned = PEER_NULL;
        int r;

        r = peer_get_credentials(fd, &credentials);
        if (r != 0)
                return r;

        r = use_peerpidfd ? peer_get_pidfd(fd, &pinned.pidfd) : PEER_E_UNSUPPORTED;
        if (r == 0)
                pinned.proven = true;
        else if (r == PEER_E_UNSUPPORTED) {
                pinned.pidfd = pidfd_open(credentials.pid, 0);
                if (pinned.pidfd < 0)
                        return errno == ESRCH ? PEER_E_GONE : -errno;
        } else
                return r;

        pinned.uid = credentials.uid;
        pinned.gid = credentials.gid;
        pinned.pid = credentials.pid;

        if (!peer_is_alive(&pinned)) {
                peer_deinit(&pinned);
                return PEER_E_GONE;
        }

        *peer = pinned;
        return 0;
}

bool peer_is_alive(const Peer *peer) {
        struct pollfd p = {.fd = peer->pidfd, .events = POLLIN};
        int r;

        if (peer->pidfd < 0)
                return false;

        do
                r = poll(&p, 1, 0);
        while (r < 0 && errno == EINTR);

        /* A pidfd is readable once its process has ended. */
        return r == 0;
}

bool peer_is_sender(const Peer *peer, const struct ucred *sender) {
        return sender->pid == peer->pid;
}

/* Reads a small file of /proc/PID whole, or as much of it as fits, with a NUL behind it. The kernel
 * makes the text of such a file at once, and hands over what there is room for: only a long uid_map
 * comes in parts, and of that the first line is enough. */
static int proc_read(const Peer *peer, const char *name, char *buf, size_t size) {
        char path[64], digits[DECIMAL_SIZE], *end;
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        end = stpcpy(stpcpy(path, "/proc/"), decimal_format((uint64_t)peer->pid, digits));
        *end++ = '/';
        (void)stpcpy(end, name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                /* hidepid makes others' processes look absent: ask the pidfd which it is. */
                if (errno == ENOENT && !peer_is_alive(peer))
                        return PEER_E_GONE;
                return errno == ENOENT || errno == EACCES || errno == EPERM ? PEER_E_HIDDEN
                                                                            : -errno;
        }

        do
                n = read(fd, buf, size - 1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ESRCH ? PEER_E_GONE : -errno;

        buf[n] = 0;
        return 0;
}

/* A field of the line: the first two are the pid and the command. */
static int stat_get_field(const char *stat, int number, unsigned long long *ret) {
        /* The command stands in brackets and can hold brackets and spaces; the state, the third
         * field, follows the last one. */
        const char *p = strrchr(stat, ')');
        unsigned long long value;
        char *end;

        if (!p || p[1] != ' ')
                return -EBADMSG;

        p += 2;
        for (int field = 3; field < number; field++) {
                p = strchr(p, ' ');
                if (!p)
                        return -EBADMSG;
                p++;
        }

        /* strtoull(3) would take a sign, too. */
        if (*p < '0' || *p > '9')
                return -EBADMSG;
        errno = 0;
        value = strtoull(p, &end, 10);
        if (errno != 0 || *end != ' ')
                return -EBADMSG;

        *ret = value;
        return 0;
}

int peer_parse_start_time(const char *stat, uint64_t *ret) {
        unsigned long long value;
        int r;

        r = stat_get_field(stat, 22, &value);
        if (r == 0)
                *ret = value;
        return r;
}

int peer_parse_terminal(const char *stat, uint32_t *ret) {
        unsigned long long value;
        int r;

        r = stat_get_field(stat, 7, &value);
        if (r == 0 && value > UINT32_MAX)
                r = -EBADMSG;
        if (r == 0)
                *ret = (uint32_t)value;
        return r;
}

int peer_parse_foreign_pid(const char *status, bool *ret) {
        const char *line = strstr(status, "\nNSpid:"), *end;
        int numbers = 0;

        /* One number a pid namespace that the process is in, the outermost that we can see first.
         */
        if (!line)
                return -EBADMSG;
        line += strlen("\nNSpid:");
        end = line + strcspn(line, "\n");

        while (line < end) {
                line += strspn(line, " \t");
                if (line >= end)
                        break;
                numbers++;
                line += strcspn(line, " \t\n");
        }
        if (numbers == 0)
                return -EBADMSG;

        *ret = numbers > 1;
        return 0;
}

int peer_parse_foreign_user(const char *uid_map, bool *ret) {
        static const char initial[] = "         0          0 4294967295\n";
        unsigned inside, outside, count;
        int n = 0;

        /* Read from the same namespace, the initial map is one line: 0 0 4294967295. An empty map
         * is a namespace that nobody has mapped yet. */
        if (streq(uid_map, initial))
                *ret = false;
        else if (sscanf(uid_map, " %u %u %u %n", &inside, &outside, &count, &n) != 3)
                *ret = true;
        else
                *ret = inside != 0 || outside != 0 || count != UINT32_MAX || uid_map[n] != 0;

        return 0;
}

int peer_get_start_time(const Peer *peer, uint64_t *ret) {
        char buf[PROC_LINE_SIZE];
        int r;

        r = proc_read(peer, "stat", buf, sizeof(buf));
        return r != 0 ? r : peer_parse_start_time(buf, ret);
}

int peer_get_terminal(const Peer *peer, uint32_t *ret) {
        char buf[PROC_LINE_SIZE];
        int r;

        r = proc_read(peer, "stat", buf, sizeof(buf));
        return r != 0 ? r : peer_parse_terminal(buf, ret);
}

int peer_has_group(const Peer *peer, int fd, gid_t group, bool *ret) {
        _cleanup_free_ gid_t *groups = NULL;
        socklen_t n = 0;

        if (peer->gid == group) {
                *ret = true;
                return 0;
        }

        /* The first call says how much room is needed; a process's list is fixed at connect(2). */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &n) < 0 && errno != ERANGE)
                return -errno;
        groups = malloc(n > 0 ? n : 1);
        if (!groups)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
                return -errno;

        *ret = false;
        for (size_t i = 0; i < n / sizeof(gid_t); i++)
                if (groups[i] == group)
                        *ret = true;
        return 0;
}

int peer_get_foreign_user(const Peer *peer, bool *ret) {
        char buf[PROC_LINE_SIZE];
        int r;

        r = proc_read(peer, "uid_map", buf, sizeof(buf));
        return r != 0 ? r : peer_parse_foreign_user(buf, ret);
}

int peer_get_foreign_pid(const Peer *peer, bool *ret) {
        char buf[PROC_STATUS_SIZE];
        int r;

        r = proc_read(peer, "status", buf, sizeof(buf));
        return r != 0 ? r : peer_parse_foreign_pid(buf, ret);
}

int peer_get_command(const Peer *peer, char *buf, size_t size) {
        int r;

        r = proc_read(peer, "comm", buf, size);
        if (r != 0)
                return r;

        buf[strcspn(buf, "\n")] = 0;
        for (char *c = buf; *c; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
        return 0;
}

int peer_get_cgroup(const Peer *peer, char *buf, size_t size) {
        return proc_read(peer, "cgroup", buf, size);
}
