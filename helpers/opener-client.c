/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-client.h"
#include "helpers/opener-refusal.h"

static int client_refuse(OpenerReply *reply, const char *reason) {
        return opener_refuse(reply, OPENER_REFUSED_CLIENT, 0, "%s", reason);
}

static bool option_is(int fd, int option, int expected) {
        socklen_t n = sizeof(int);
        int value = -1;

        return getsockopt(fd, SOL_SOCKET, option, &value, &n) == 0 && n == sizeof(value) &&
               value == expected;
}

static bool is_bound_to(int fd, const char *path) {
        struct sockaddr_un address = {}, expected;
        socklen_t n = sizeof(address);
        int expected_n;

        expected_n = socket_address(path, &expected);
        return expected_n > 0 && getsockname(fd, (struct sockaddr *)&address, &n) == 0 &&
               n == (socklen_t)expected_n && memcmp(&address, &expected, n) == 0;
}

static bool has_unnamed_peer(int fd) {
        struct sockaddr_un address = {};
        socklen_t n = sizeof(address);

        return getpeername(fd, (struct sockaddr *)&address, &n) == 0 &&
               n == offsetof(struct sockaddr_un, sun_path) && address.sun_family == AF_UNIX;
}

/* Whoever has hung up asks for nothing any more, whatever the broker has kept. */
static bool has_hung_up(int fd) {
        struct pollfd p = {.fd = fd};

        return poll(&p, 1, 0) != 0;
}

/* Where the kernel cannot say, the broker's own proof of the process has to do. */
static int judge_alive(int fd, OpenerReply *reply) {
        _cleanup_(peer_deinit) Peer peer = PEER_NULL;
        int r;

        r = peer_get_pidfd(fd, &peer.pidfd);
        if (r == PEER_E_UNSUPPORTED)
                return 0;
        if (r == PEER_E_GONE || (r == 0 && !peer_is_alive(&peer)))
                return client_refuse(reply, "the client has ended");
        if (r != 0)
                return opener_refuse(reply, OPENER_REFUSED_CLIENT, r < 0 ? -r : 0,
                                     "the client's process cannot be looked at");

        return 0;
}

int opener_client_judge(const OpenerClientRules *rules, int fd, uid_t *ret, OpenerReply *reply) {
        struct ucred credentials;
        int r;

        if (!option_is(fd, SO_DOMAIN, AF_UNIX) || !option_is(fd, SO_TYPE, SOCK_STREAM))
                return client_refuse(reply, "the descriptor is not a unix stream socket");
        if (!option_is(fd, SO_ACCEPTCONN, 0))
                return client_refuse(reply, "the descriptor is a listening socket");
        if (!is_bound_to(fd, rules->path))
                return client_refuse(reply, "the descriptor is not a connection to the broker");
        if (!has_unnamed_peer(fd))
                return client_refuse(reply, "the other end of the connection has a name, and a "
                                            "client's has none");

        r = peer_get_credentials(fd, &credentials);
        if (r < 0)
                return opener_refuse(reply, OPENER_REFUSED_CLIENT, -r,
                                     "the connection does not say who made it");
        if (r != 0)
                return client_refuse(reply, "the client's identity is one that is never served");
        if (credentials.uid == rules->own || credentials.uid == rules->broker)
                return client_refuse(reply, "the client runs as one of doorward's own users");

        r = judge_alive(fd, reply);
        if (r != 0)
                return r;
        if (has_hung_up(fd))
                return client_refuse(reply, "the client has hung up");

        *ret = credentials.uid;
        return 0;
}
