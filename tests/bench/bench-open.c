/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-open URI full|read-only SECONDS[/PAUSE] USER:CLIENTS...
 * bench-open URI full|read-only COUNTx
 *
 * Opens and closes the endpoint through libdoorward, as programs do. What is measured is
 * doorward_open(): from the call to a connected descriptor. The rate counts the close too. With a
 * count it does so many as whoever runs it, and measures nothing: for tools that count.
 */

#include <stdio.h>

#include "client/doorward.h"
#include "tests/bench/bench.h"

typedef struct Endpoint {
        const char *uri;
        bool read_only;
} Endpoint;

static int open_once(void *userdata, uint64_t *ret_ns) {
        const Endpoint *endpoint = userdata;
        uint64_t before = bench_now_ns();
        doorward_conn *conn;

        conn = endpoint->read_only ? doorward_open_read_only(endpoint->uri)
                                   : doorward_open(endpoint->uri);
        *ret_ns = bench_now_ns() - before;
        if (!conn) {
                fprintf(stderr, "%s: %s\n", endpoint->uri, doorward_get_last_error_message());
                return -EREMOTEIO;
        }

        (void)doorward_close(conn);
        return 0;
}

static int open_often(Endpoint *endpoint, long count) {
        uint64_t ns;

        for (long i = 0; i < count; i++)
                if (open_once(endpoint, &ns) < 0)
                        return EXIT_FAILURE;

        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        BenchGroup groups[BENCH_GROUPS_MAX];
        Endpoint endpoint;
        size_t n = 0;

        if (argc == 4 && strchr(argv[3], 'x')) {
                endpoint = (Endpoint){.uri = argv[1], .read_only = streq(argv[2], "read-only")};
                return open_often(&endpoint, strtol(argv[3], NULL, 10));
        }

        if (argc < 5 || (size_t)argc - 4 > BENCH_GROUPS_MAX) {
                fputs("Usage: bench-open URI full|read-only SECONDS[/PAUSE] USER:CLIENTS...\n"
                      "       bench-open URI full|read-only COUNTx\n",
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
