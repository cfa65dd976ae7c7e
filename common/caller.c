/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/caller.h"
#include "common/peer.h"
#include "common/socket.h"

static bool address_is(const struct sockaddr_un *address, socklen_t n, const char *path) {
        struct sockaddr_un expected;
        int expected_n;

        expected_n = socket_address(path, &expected);
        return expected_n > 0 && n == (socklen_t)expected_n && memcmp(address, &expected, n) == 0;
}

/* NULL if somebody who has no name is at the other end. */
static const char *find_fault_of_peer(int fd) {
        struct sockaddr_un address = {};
        socklen_t n = sizeof(address);

        if (getpeername(fd, (struct sockaddr *)&address, &n) < 0)
                return "the descriptor is a socket without another end";
        if (n != offsetof(struct sockaddr_un, sun_path) || address.sun_family != AF_UNIX)
                return "the other end of the connection has a name, and a client's has none";
        return NULL;
}

/* Whether the client's process runs and has not hung up: whoever has asks for nothing any more,
 * whatever the broker has kept. Where the kernel cannot say which process it is, the broker's own
 * proof of it has to do. */
static int check_alive(const CallerRules *rules, int fd, const char **ret_reason) {
        struct pollfd fds[] = {{.fd = -EBADF, .events = POLLIN}, {.fd = fd}};
        _cleanup_close_ int pidfd = -EBADF;
        int r;

        r = rules->no_peerpidfd ? PEER_E_UNSUPPORTED : peer_get_pidfd(fd, &pidfd);
        if (r < 0) {
                *ret_reason = "the client's process cannot be looked at";
                return r;
        }
        if (r == PEER_E_GONE) {
                *ret_reason = "the client has ended";
                return CALLER_E_REFUSED;
        }

        fds[0].fd = pidfd;
        do
                r = poll(fds, ELEMENTSOF(fds), 0);
        while (r < 0 && errno == EINTR);
        if (r == 0)
                return 0;

        /* A pidfd is readable once its process has ended. */
        *ret_reason = r < 0 || fds[0].revents ? "the client has ended" : "the client has hung up";
        return CALLER_E_REFUSED;
}

/* Whether this is what the broker's listener accepted; NULL, or why not. */
static const char *find_fault(const CallerRules *rules, int fd) {
        struct sockaddr_un address = {};
        socklen_t n = sizeof(address);

        if (getsockname(fd, (struct sockaddr *)&address, &n) < 0 || address.sun_family != AF_UNIX ||
            !socket_option_is(fd, SO_TYPE, SOCK_STREAM))
                return "the descriptor is not a unix stream socket";
        if (!address_is(&address, n, rules->path))
                return "the descriptor is not a connection to the broker";
        return find_fault_of_peer(fd);
}

static int read_uid(const CallerRules *rules, int fd, uid_t *ret, const char **ret_reason) {
        struct ucred credentials;
        int r;

        r = peer_get_credentials(fd, &credentials);
        if (r < 0)
                *ret_reason = "the connection does not say who made it";
        else if (r > 0)
                *ret_reason = "the client's identity is one that is never served";
        else if (credentials.uid == rules->own || credentials.uid == rules->broker)
                *ret_reason = "the client runs as one of doorward's own users";
        else {
                *ret = credentials.uid;
                return 0;
        }

        return r < 0 ? r : CALLER_E_REFUSED;
}

int caller_judge(const CallerRules *rules, int fd, uid_t *ret, const char **ret_reason) {
        uid_t uid;
        int r;

        *ret_reason = find_fault(rules, fd);
        if (*ret_reason)
                return CALLER_E_REFUSED;

        r = read_uid(rules, fd, &uid, ret_reason);
        if (r == 0)
                r = check_alive(rules, fd, ret_reason);
        if (r != 0)
                return r;

        *ret = uid;
        return 0;
}
