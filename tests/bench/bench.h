#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bench: clients that do one thing over and over, and how long it took them
 *
 * Each client is a process of its own with the uid of its user, since that is what the broker tells
 * clients apart by. All begin at one moment; what they do in the warm-up does not count. An
 * operation that fails ends the measurement: a refusal is fast, and would look like a good figure.
 *
 * A result is one line of numbers for the runner, which repeats, takes medians and compares.
 */

#include <sys/types.h>

#include "common/macros.h"

/* So many clients of one user. */
typedef struct BenchGroup {
        const char *user;
        uid_t uid;
        gid_t gid;
        unsigned n_clients;
} BenchGroup;

/* Does it once. 0 and how long the part took that is measured, in ns; or -errno after having said
 * on stderr what went wrong. */
typedef int (*BenchFunc)(void *userdata, uint64_t *ret_ns);

#define BENCH_GROUPS_MAX 16U
#define BENCH_WARM_UP_NS UINT64_C(500000000)

uint64_t bench_now_ns(void);

/* "USER:CLIENTS". -EINVAL if it is not that, -ENOENT if there is no such user. */
int bench_group_parse(const char *text, BenchGroup *ret) _must_check_;

/* Becomes the user of the group, for good. -errno. */
int bench_become(const BenchGroup *group) _must_check_;

/* How long to measure, and how long each client waits after each operation: what the one before has
 * left to be done is then not in the way. */
typedef struct BenchTime {
        double seconds;
        unsigned pause_us;
} BenchTime;

/* "SECONDS" or "SECONDS/PAUSE", which is in µs. */
BenchTime bench_time_parse(const char *text);

/* Runs the clients for so long and prints "USER CLIENTS rate p50 p99 max count" for each group, and
 * for all of them as "all": operations a second, and µs. */
int bench_run(const BenchGroup *groups, size_t n_groups, BenchTime duration, BenchFunc func,
              void *userdata) _must_check_;

/* Prints the line of some samples in ns, which are sorted for that. */
void bench_print(const char *name, unsigned n_clients, double seconds, uint32_t *samples, size_t n);

/* A listening unix stream socket of this path, which everybody may connect to. -errno. */
int bench_listen(const char *path) _must_check_;
/* A connected one. -errno. */
int bench_connect(const char *path) _must_check_;
