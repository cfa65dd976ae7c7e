/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-transport: runs what carries a connection to another machine, ssh as a rule
 *
 * It stands between the program and a library that lives in somebody else's process: so that ssh is
 * nobody's child there, ends when the connection does, and is heard. It has no more than the user
 * has, and promises no more than this: answers to prompts pass through it, it keeps none, and
 * nobody attaches to it or finds them in a core dump.
 *
 *   doorward-transport PROGRAM [ARGUMENT...]
 *
 * Descriptor 3 is for its messages (common/transport-protocol.h), 4 for the bytes.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/socket.h"
#include "helpers/transport-session.h"

enum {
        CONTROL_FD = 3,
        DATA_FD,
};

static bool is_socket_of_type(int fd, int type) {
        return socket_option_is(fd, SO_TYPE, type) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

        if (undumpable < 0)
                return EXIT_FAILURE;

        if (argc < 2 || !is_socket_of_type(CONTROL_FD, SOCK_SEQPACKET) ||
            !is_socket_of_type(DATA_FD, SOCK_STREAM)) {
                (void)fputs("doorward-transport is started by libdoorward, and is of no use by "
                            "itself.\n",
                            stderr);
                return EXIT_FAILURE;
        }

        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGQUIT, SIG_IGN);
        transport_session_run_consume_fds(argv + 1, CONTROL_FD, DATA_FD);
        return EXIT_SUCCESS;
}
