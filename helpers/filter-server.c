/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>

#include "common/complain.h"
#include "helpers/filter-broker.h"
#include "helpers/filter-server.h"

static int server_spawn(const FilterServer *server, int connection) {
        char *argv[] = {(char *)server->program, NULL}, *environment[] = {NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        /* It is all that is passed, beside the standard ones: the others are closed on exec. */
        r = posix_spawn_file_actions_adddup2(&actions, connection, FILTER_BROKER_FD);
        if (r == 0)
                r = posix_spawn(&pid, server->program, &actions, NULL, argv, environment);
        (void)posix_spawn_file_actions_destroy(&actions);

        return -r;
}

static void server_accept(const FilterServer *server) {
        _cleanup_close_ int connection = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        int r;

        if (connection < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                        complain("The broker's connection cannot be accepted: %m");
                        (void)poll(NULL, 0, FILTER_SERVER_PAUSE_MSEC);
                }
                return;
        }

        r = server_spawn(server, connection);
        if (r < 0)
                complain("No filter can be started: %s", strerror(-r));
}

int filter_server_run(const FilterServer *server) {
        struct pollfd p = {.fd = server->listener, .events = POLLIN};

        if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                return -errno;

        for (;;) {
                if (poll(&p, 1, -1) < 0) {
                        if (errno != EINTR)
                                return -errno;
                } else if (p.revents != POLLIN)
                        return -ENOTCONN;
                else
                        server_accept(server);
        }
}
