/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-relay serve PATH
 * bench-relay send|receive PATH MEGABYTES
 *
 * What is at both ends of a relay. The one who serves takes what is sent and says so at its end, or
 * sends what is asked for. The other is its client: sends or receives so many MiB, and prints how
 * many MiB a second that was.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/bench/bench.h"

#define BLOCK_SIZE (256U << 10)

static char block[BLOCK_SIZE];

static int move_all(int fd, uint64_t size, bool sends) {
        while (size > 0) {
                size_t part = size < BLOCK_SIZE ? (size_t)size : BLOCK_SIZE;
                ssize_t n = sends ? send(fd, block, part, MSG_NOSIGNAL) : recv(fd, block, part, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                size -= (uint64_t)n;
        }

        return 0;
}

static int send_all(int fd, uint64_t size) {
        return move_all(fd, size, true);
}

static int receive_all(int fd, uint64_t size) {
        return move_all(fd, size, false);
}

/* What is wanted comes first: how much, and a sign that says which way. */
static int serve_one(int fd) {
        int64_t size;
        int r;

        if (recv(fd, &size, sizeof(size), MSG_WAITALL) != sizeof(size))
                return -EBADMSG;
        if (size < 0)
                return send_all(fd, (uint64_t)-size);

        r = receive_all(fd, (uint64_t)size);
        return r < 0 ? r : send_all(fd, 1);
}

static int serve(const char *path) {
        int listener = bench_listen(path), fd;

        (void)signal(SIGCHLD, SIG_IGN);
        if (listener < 0)
                return listener;

        for (;;) {
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0 && fork() == 0)
                        _exit(serve_one(fd) < 0);
                close_fd(fd);
        }
}

static int move(const char *path, int64_t size) {
        uint64_t begin, n = (uint64_t)(size < 0 ? -size : size);
        int fd = bench_connect(path), r;

        if (fd < 0)
                return fd;
        if (send(fd, &size, sizeof(size), MSG_NOSIGNAL) != sizeof(size))
                return -EPIPE;

        begin = bench_now_ns();
        r = size < 0 ? receive_all(fd, n) : send_all(fd, n);
        if (r == 0 && size > 0)
                r = receive_all(fd, 1);
        if (r < 0)
                return r;

        (void)printf("%.1f\n", (double)n / (1 << 20) * 1e9 / (double)(bench_now_ns() - begin));
        return 0;
}

int main(int argc, char **argv) {
        int r = -EINVAL;

        if (argc == 3 && streq(argv[1], "serve"))
                r = serve(argv[2]);
        else if (argc == 4 && streq(argv[1], "send"))
                r = move(argv[2], atoll(argv[3]) << 20);
        else if (argc == 4 && streq(argv[1], "receive"))
                r = move(argv[2], -(atoll(argv[3]) << 20));

        if (r < 0)
                (void)fprintf(stderr, "bench-relay: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
