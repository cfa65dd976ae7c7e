/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-backend PATH...
 *
 * What is behind the endpoint: accepts connections on unix stream sockets and keeps each until the
 * other end hangs up, as a daemon does. It says nothing and reads nothing.
 */

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/bench/bench.h"

#define EVENTS_MAX 64

static int watch(int epoll_fd, int fd, uint32_t events) {
        struct epoll_event event = {.events = events, .data.fd = fd};

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int serve(int epoll_fd, int first, int last) {
        struct epoll_event events[EVENTS_MAX];

        for (;;) {
                int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1), fd;

                for (int i = 0; i < n; i++) {
                        fd = events[i].data.fd;
                        if (fd < first || fd > last) {
                                close_fd(fd);
                                continue;
                        }
                        fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                        if (fd >= 0 && watch(epoll_fd, fd, EPOLLRDHUP) < 0)
                                return -errno;
                }
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

int main(int argc, char **argv) {
        int epoll_fd, first = -EBADF, last = -EBADF, r;

        if (argc < 2) {
                fputs("Usage: bench-backend PATH...\n", stderr);
                return EXIT_FAILURE;
        }

        /* One after the other, so the listeners are the numbers from first to last. */
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        for (int i = 1; i < argc; i++) {
                last = bench_listen(argv[i]);
                if (last < 0 || watch(epoll_fd, last, EPOLLIN) < 0) {
                        fprintf(stderr, "%s: cannot listen\n", argv[i]);
                        return EXIT_FAILURE;
                }
                if (first < 0)
                        first = last;
        }

        r = serve(epoll_fd, first, last);
        fprintf(stderr, "bench-backend: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
