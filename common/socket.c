/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "common/socket.h"

int socket_address(const char *path, struct sockaddr_un *ret) {
        size_t n = strlen(path);

        if (n == 0 || n >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;

        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(ret->sun_path, path, n);

        if (path[0] == '@') {
                ret->sun_path[0] = 0;
                return (int)(offsetof(struct sockaddr_un, sun_path) + n);
        }

        return (int)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

bool socket_option_is(int fd, int option, int expected) {
        socklen_t n = sizeof(int);
        int value = -1;

        return getsockopt(fd, SOL_SOCKET, option, &value, &n) == 0 && n == sizeof(value) &&
               value == expected;
}

static void ancillary_close(SocketAncillary *ancillary) {
        for (size_t i = 0; i < ancillary->n_fds; i++)
                close_fd(ancillary->fds[i]);
        ancillary->n_fds = 0;
}

/* Takes the descriptors of one control message; false if there were too many, all of which are then
 * closed. cmsg_data need not be aligned for int. */
static bool ancillary_take_fds(SocketAncillary *ancillary, size_t want_fds,
                               const struct cmsghdr *cmsg) {
        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        bool ok = true;
        int fd;

        for (size_t i = 0; i < n; i++) {
                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
                if (ancillary->n_fds < want_fds)
                        ancillary->fds[ancillary->n_fds++] = fd;
                else {
                        close_fd(fd);
                        ok = false;
                }
        }

        return ok;
}

static ssize_t receive(int fd, void *buf, size_t size, size_t want_fds, int flags,
                       SocketAncillary *ret) {
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(sizeof(struct ucred)) +
                          CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = buf, .iov_len = size};
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.data,
                .msg_controllen = CMSG_SPACE(sizeof(struct ucred)),
        };
        SocketAncillary ancillary = {};
        bool ok = true;
        ssize_t n;

        if (want_fds > SOCKET_FDS_MAX)
                return -EINVAL;
        if (want_fds > 0)
                msg.msg_controllen += CMSG_SPACE(want_fds * sizeof(int));

        do
                n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | flags);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
                if (cmsg->cmsg_level != SOL_SOCKET)
                        continue;
                if (cmsg->cmsg_type == SCM_RIGHTS)
                        ok = ancillary_take_fds(&ancillary, want_fds, cmsg) && ok;
                else if (cmsg->cmsg_type == SCM_CREDENTIALS &&
                         cmsg->cmsg_len == CMSG_LEN(sizeof(ancillary.credentials))) {
                        memcpy(&ancillary.credentials, CMSG_DATA(cmsg),
                               sizeof(ancillary.credentials));
                        ancillary.has_credentials = true;
                }
        }

        if (!ok || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
                ancillary_close(&ancillary);
                return -EBADMSG;
        }

        *ret = ancillary;
        return n;
}

ssize_t socket_receive(int fd, void *buf, size_t size, size_t want_fds, SocketAncillary *ret) {
        return receive(fd, buf, size, want_fds, 0, ret);
}

ssize_t socket_receive_now(int fd, void *buf, size_t size, size_t want_fds, SocketAncillary *ret) {
        return receive(fd, buf, size, want_fds, MSG_DONTWAIT, ret);
}

ssize_t socket_send(int fd, const void *data, size_t size, int pass_fd) {
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        if (pass_fd >= 0) {
                msg.msg_control = control.data;
                msg.msg_controllen = sizeof(control.data);
                control.align.cmsg_level = SOL_SOCKET;
                control.align.cmsg_type = SCM_RIGHTS;
                control.align.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.align), &pass_fd, sizeof(pass_fd));
        }

        do
                n = sendmsg(fd, &msg, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : n;
}

int socket_set_passcred(int fd) {
        int one = 1;

        return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ? -errno : 0;
}

int socket_pair(int flags, int ret[2]) {
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, fds) < 0)
                return -errno;

        r = socket_set_passcred(fds[0]);
        if (r == 0)
                r = socket_set_passcred(fds[1]);
        if (r < 0) {
                close_fd(fds[0]);
                close_fd(fds[1]);
                return r;
        }

        memcpy(ret, fds, sizeof(fds));
        return 0;
}
