/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/socket.h"
#include "tests/bench/bench.h"

/* Of one client. What comes after them is done, but not measured. */
#define SAMPLES_MAX 200000U
#define BACKLOG 4096

/* Shared by a client and the process that started it. */
typedef struct BenchClient {
        pid_t pid;
        size_t n;
        uint32_t samples[SAMPLES_MAX];
} BenchClient;

typedef struct BenchRun {
        BenchClient *clients;
        unsigned n_clients;
        uint64_t *start; /* ns; 0 until all are ready */
        uint64_t duration;
        unsigned pause_us;
        BenchFunc func;
        void *userdata;
} BenchRun;

uint64_t bench_now_ns(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int bench_group_parse(const char *text, BenchGroup *ret) {
        _cleanup_free_ char *user = strdup(text);
        char *colon = user ? strchr(user, ':') : NULL, *end;
        const struct passwd *entry;
        long n;

        if (!colon)
                return -EINVAL;
        *colon = 0;
        n = strtol(colon + 1, &end, 10);
        if (n <= 0 || n > 1024 || *end)
                return -EINVAL;

        entry = getpwnam(user);
        if (!entry)
                return -ENOENT;

        /* The name is kept for as long as the process lives. */
        *ret = (BenchGroup){
                .user = TAKE_PTR(user),
                .uid = entry->pw_uid,
                .gid = entry->pw_gid,
                .n_clients = (unsigned)n,
        };
        return 0;
}

int bench_become(const BenchGroup *group) {
        if (group->uid == getuid())
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(group->gid, group->gid, group->gid) < 0 ||
            setresuid(group->uid, group->uid, group->uid) < 0)
                return -errno;

        return 0;
}

/* Results. */

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

static double percentile_usec(const uint32_t *sorted, size_t n, double part) {
        return n > 0 ? sorted[(size_t)((double)(n - 1) * part)] / 1000.0 : 0;
}

void bench_print(const char *name, unsigned n_clients, double seconds, uint32_t *samples,
                 size_t n) {
        qsort(samples, n, sizeof(samples[0]), compare);
        printf("%s %u %.1f %.1f %.1f %.1f %zu\n", name, n_clients, (double)n / seconds,
               percentile_usec(samples, n, 0.5), percentile_usec(samples, n, 0.99),
               percentile_usec(samples, n, 1), n);
}

/* All samples of some clients in one array; *ret_n is how many. */
static uint32_t *gather(const BenchClient *clients, unsigned n_clients, size_t *ret_n) {
        uint32_t *all;
        size_t n = 0;

        for (unsigned i = 0; i < n_clients; i++)
                n += clients[i].n;
        all = calloc(n > 0 ? n : 1, sizeof(*all));
        if (!all)
                return NULL;

        *ret_n = n;
        for (unsigned i = 0; i < n_clients; i++) {
                n -= clients[i].n;
                memcpy(all + n, clients[i].samples, clients[i].n * sizeof(*all));
        }

        return all;
}

static int print_clients(const char *name, const BenchClient *clients, unsigned n_clients,
                         double seconds) {
        _cleanup_free_ uint32_t *samples = NULL;
        size_t n;

        samples = gather(clients, n_clients, &n);
        if (!samples)
                return -ENOMEM;

        bench_print(name, n_clients, seconds, samples, n);
        return 0;
}

/* Clients. */

static int client_work(const BenchRun *run, BenchClient *client) {
        uint64_t start, now, ns;
        int r;

        while ((start = __atomic_load_n(run->start, __ATOMIC_ACQUIRE)) == 0)
                (void)usleep(1000);

        for (;;) {
                now = bench_now_ns();
                if (now >= start + run->duration)
                        return 0;

                r = run->func(run->userdata, &ns);
                if (r < 0)
                        return r;
                if (now >= start && client->n < SAMPLES_MAX)
                        client->samples[client->n++] =
                                (uint32_t)(ns < UINT32_MAX ? ns : UINT32_MAX);
                if (run->pause_us > 0)
                        (void)usleep(run->pause_us);
        }
}

static void client_main(const BenchRun *run, const BenchGroup *group, BenchClient *client) {
        int r;

        r = bench_become(group);
        /* To become somebody else forgets this. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (r < 0)
                fprintf(stderr, "Cannot become %s: %s\n", group->user, strerror(-r));
        else
                r = client_work(run, client);
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int run_fork(const BenchRun *run, const BenchGroup *groups, size_t n_groups) {
        unsigned n = 0;
        pid_t pid;

        for (size_t i = 0; i < n_groups; i++)
                for (unsigned j = 0; j < groups[i].n_clients; j++, n++) {
                        pid = fork();
                        if (pid < 0)
                                return -errno;
                        if (pid == 0)
                                client_main(run, &groups[i], &run->clients[n]);
                        run->clients[n].pid = pid;
                }

        return 0;
}

static int run_wait(const BenchRun *run) {
        int status, r = 0;

        for (unsigned i = 0; i < run->n_clients; i++)
                if (waitpid(run->clients[i].pid, &status, 0) < 0 || !WIFEXITED(status) ||
                    WEXITSTATUS(status) != 0)
                        r = -EREMOTEIO;

        return r;
}

static int run_print(const BenchRun *run, const BenchGroup *groups, size_t n_groups,
                     double seconds) {
        unsigned n = 0;
        int r = 0;

        for (size_t i = 0; i < n_groups && r == 0; i++) {
                r = print_clients(groups[i].user, run->clients + n, groups[i].n_clients, seconds);
                n += groups[i].n_clients;
        }

        return r < 0 ? r : print_clients("all", run->clients, run->n_clients, seconds);
}

static void *map_shared(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return p == MAP_FAILED ? NULL : p;
}

BenchTime bench_time_parse(const char *text) {
        char *end;
        BenchTime duration = {.seconds = strtod(text, &end)};

        if (*end == '/')
                duration.pause_us = (unsigned)strtoul(end + 1, NULL, 10);
        return duration;
}

int bench_run(const BenchGroup *groups, size_t n_groups, BenchTime duration, BenchFunc func,
              void *userdata) {
        BenchRun run = {.pause_us = duration.pause_us, .func = func, .userdata = userdata};
        int r;

        for (size_t i = 0; i < n_groups; i++)
                run.n_clients += groups[i].n_clients;
        run.duration = (uint64_t)(duration.seconds * 1e9);
        run.clients = map_shared(run.n_clients * sizeof(run.clients[0]));
        run.start = map_shared(sizeof(*run.start));
        if (!run.clients || !run.start)
                return -ENOMEM;

        r = run_fork(&run, groups, n_groups);
        if (r < 0)
                return r;

        __atomic_store_n(run.start, bench_now_ns() + BENCH_WARM_UP_NS, __ATOMIC_RELEASE);
        r = run_wait(&run);
        return r < 0 ? r : run_print(&run, groups, n_groups, duration.seconds);
}

/* Sockets. */

int bench_listen(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n = socket_address(path, &address);

        if (n < 0)
                return n;

        (void)unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 ||
            chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;

        return TAKE_FD(fd);
}

int bench_connect(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n = socket_address(path, &address);

        if (n < 0)
                return n;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -errno;

        return TAKE_FD(fd);
}
