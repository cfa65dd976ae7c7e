/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-hold URI full|read-only LEASES USER:PROCESSES...
 *
 * Has leases: so many in each process. Says "ready" when all are granted, and holds them until its
 * standard input ends; a lease that ends before is not missed.
 */

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "client/doorward.h"
#include "tests/bench/bench.h"

typedef struct Hold {
        const char *uri;
        bool read_only;
        long n_leases;
        int ready; /* a byte for each process: whether it has all of its leases */
} Hold;

static bool open_all(const Hold *hold, const BenchGroup *group) {
        for (long i = 0; i < hold->n_leases; i++)
                if (!(hold->read_only ? doorward_open_read_only(hold->uri)
                                      : doorward_open(hold->uri))) {
                        fprintf(stderr, "%s: lease %ld of %s: %s\n", hold->uri, i, group->user,
                                doorward_get_last_error_message());
                        return false;
                }

        return true;
}

_noreturn_ static void process_main(const Hold *hold, const BenchGroup *group) {
        bool ready = bench_become(group) == 0;

        /* To become somebody else forgets this. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        ready = ready && open_all(hold, group);
        if (write(hold->ready, ready ? "y" : "n", 1) != 1)
                _exit(EXIT_FAILURE);
        for (;;)
                (void)pause();
}

/* As many as can be at work at once: each waits for the broker most of the time. */
static int start(const Hold *hold, const BenchGroup *groups, size_t n_groups, unsigned *ret_n) {
        for (size_t i = 0; i < n_groups; i++)
                for (unsigned j = 0; j < groups[i].n_clients; j++) {
                        pid_t pid = fork();

                        if (pid < 0)
                                return -errno;
                        if (pid == 0)
                                process_main(hold, &groups[i]);
                        (*ret_n)++;
                }

        return 0;
}

static int run(Hold *hold, const BenchGroup *groups, size_t n_groups) {
        char bytes[256];
        unsigned n = 0;
        int pipes[2], r;

        if (pipe(pipes) < 0)
                return -errno;

        hold->ready = pipes[1];
        r = start(hold, groups, n_groups, &n);
        close_fd(pipes[1]);
        while (r >= 0 && n > 0) {
                ssize_t k = read(pipes[0], bytes, n < sizeof(bytes) ? n : sizeof(bytes));

                if (k <= 0)
                        return k < 0 ? -errno : -EREMOTEIO;
                if (memchr(bytes, 'n', (size_t)k))
                        return -EREMOTEIO;
                n -= (unsigned)k;
        }
        if (r < 0)
                return r;

        puts("ready");
        (void)fflush(stdout);
        while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
                ;
        return 0;
}

int main(int argc, char **argv) {
        BenchGroup groups[BENCH_GROUPS_MAX];
        struct rlimit limit;
        size_t n = 0;
        Hold hold;
        int r;

        if (argc < 5 || (size_t)argc - 4 > BENCH_GROUPS_MAX) {
                fputs("Usage: bench-hold URI full|read-only LEASES USER:PROCESSES...\n", stderr);
                return EXIT_FAILURE;
        }

        hold = (Hold){
                .uri = argv[1],
                .read_only = streq(argv[2], "read-only"),
                .n_leases = strtol(argv[3], NULL, 10),
        };
        for (int i = 4; i < argc; i++)
                if (bench_group_parse(argv[i], &groups[n++]) < 0) {
                        fprintf(stderr, "%s is not USER:PROCESSES\n", argv[i]);
                        return EXIT_FAILURE;
                }

        /* Two descriptors a lease. */
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }

        r = run(&hold, groups, n);
        if (r < 0)
                fprintf(stderr, "bench-hold: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
