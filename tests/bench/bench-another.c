/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-another URI full|read-only SECONDS[/PAUSE] USER:CLIENTS...
 *
 * Opens and closes one more descriptor under a lease that each client has, through libdoorward.
 */

#include <stdio.h>
#include <sys/socket.h>

#include "client/doorward.h"
#include "tests/bench/bench.h"

typedef struct Endpoint {
        const char *uri;
        bool read_only;
        doorward_conn *conn; /* the client's, once it has one */
} Endpoint;

static int open_once(void *userdata, uint64_t *ret_ns) {
        Endpoint *endpoint = userdata;
        uint64_t before;
        int fd;

        if (!endpoint->conn)
                endpoint->conn = endpoint->read_only ? doorward_open_read_only(endpoint->uri)
                                                     : doorward_open(endpoint->uri);

        before = bench_now_ns();
        fd = endpoint->conn ? doorward_open_another(endpoint->conn) : -1;
        *ret_ns = bench_now_ns() - before;
        if (fd < 0) {
                fprintf(stderr, "%s: %s\n", endpoint->uri, doorward_get_last_error_message());
                return -EREMOTEIO;
        }

        /* The broker has a duplicate of a revocable one. */
        (void)shutdown(fd, SHUT_RDWR);
        (void)close(fd);
        return 0;
}

int main(int argc, char **argv) {
        BenchGroup groups[BENCH_GROUPS_MAX];
        Endpoint endpoint;
        size_t n = 0;

        if (argc < 5 || (size_t)argc - 4 > BENCH_GROUPS_MAX) {
                fputs("Usage: bench-another URI full|read-only SECONDS[/PAUSE] USER:CLIENTS...\n",
                      stderr);
                return EXIT_FAILURE;
        }

        endpoint = (Endpoint){.uri = argv[1], .read_only = streq(argv[2], "read-only")};
        for (int i = 4; i < argc; i++)
                if (bench_group_parse(argv[i], &groups[n++]) < 0) {
                        fprintf(stderr, "%s is not USER:CLIENTS\n", argv[i]);
                        return EXIT_FAILURE;
                }

        return bench_run(groups, n, bench_time_parse(argv[3]), open_once, &endpoint) < 0
                       ? EXIT_FAILURE
                       : EXIT_SUCCESS;
}
