/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/audit-server.h"

enum {
        FD_LISTENER,
        FD_END,
        FD_CONNECTION,
        _FD_MAX,
};

void audit_server_init(AuditServer *server) {
        *server = (AuditServer){
                .listener = -EBADF,
                .end = -EBADF,
                .broker = PEER_UID_INVALID,
                .idle_msec = AUDIT_IDLE_MSEC,
                .fd = -EBADF,
        };
}

void audit_server_deinit(AuditServer *server) {
        server->fd = close_fd(server->fd);
}

static void server_accept(AuditServer *server) {
        _cleanup_close_ int fd =
                accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred credentials;

        if (fd < 0 || peer_get_credentials(fd, &credentials) != 0 ||
            credentials.uid != server->broker)
                return;

        server->fd = TAKE_FD(fd);
        server->pid = credentials.pid;
}

static void server_receive(AuditServer *server) {
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        SocketAncillary ancillary;
        AuditEvent event;
        ssize_t n;

        n = socket_receive(server->fd, buf, sizeof(buf), 0, &ancillary);
        if (n == -EAGAIN)
                return;

        if (n <= 0 || !ancillary.has_credentials || ancillary.credentials.pid != server->pid ||
            ancillary.credentials.uid != server->broker ||
            audit_event_decode(buf, (size_t)n, &event) < 0)
                server->fd = close_fd(server->fd);
        else
                server->func(&event, server->userdata);
}

static void server_leave(AuditServer *server) {
        server->leaving = true;
        if (server->fd >= 0)
                (void)shutdown(server->fd, SHUT_RD);
}

static int server_turn(AuditServer *server) {
        struct pollfd fds[_FD_MAX] = {
                [FD_LISTENER] = {.fd = server->fd < 0 ? server->listener : -1, .events = POLLIN},
                [FD_END] = {.fd = server->leaving ? -1 : server->end, .events = POLLIN},
                [FD_CONNECTION] = {.fd = server->fd, .events = POLLIN},
        };
        int r;

        r = poll(fds, _FD_MAX, server->idle_msec);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;

        if (fds[FD_LISTENER].revents)
                server_accept(server);
        if (fds[FD_CONNECTION].revents)
                server_receive(server);
        if (r == 0 || fds[FD_END].revents)
                server_leave(server);
        return 0;
}

int audit_server_run(AuditServer *server) {
        int r = 0;

        while (r == 0 && (!server->leaving || server->fd >= 0))
                r = server_turn(server);

        return r;
}
