/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint in a loop around poll(2), and says when the lease ends.
 *
 *         loop-poll doorward:///libvirt
 */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

/* A point in time as poll(2) wants it: how long until then. Rounded up, so as not to come early. */
static int milliseconds_until(long long usec) {
        struct timespec now;
        long long left;

        if (usec == LLONG_MAX)
                return -1;

        clock_gettime(CLOCK_MONOTONIC, &now);
        left = usec - (now.tv_sec * 1000000LL + now.tv_nsec / 1000);
        return left <= 0 ? 0 : left / 1000 >= INT_MAX ? INT_MAX : (int)((left + 999) / 1000);
}

/* Returns 1 to go on. */
static int wait_and_process(struct program *program) {
        struct pollfd fds[2];

        fds[0].fd = program_get_fd(program);
        fds[0].events = (short)program_get_events(program);
        fds[1].fd = program->deaf ? -1 : STDIN_FILENO;
        fds[1].events = POLLIN;
        fds[1].revents = 0;
        if (poll(fds, 2, milliseconds_until(program_get_timeout(program))) < 0 && errno != EINTR) {
                perror("poll");
                return 0;
        }

        if (fds[1].revents && !program_hear(program))
                return 0;
        return program_process(program);
}

int main(int argc, char *argv[]) {
        struct program program = {NULL, NULL, 0, 0, 0, NULL};

        if (program_start(&program, argc > 1 ? argv[1] : NULL) == 0 && program_process(&program))
                while (wait_and_process(&program))
                        ;

        return program_end(&program);
}
