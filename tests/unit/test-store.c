/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A store that talks to a PID 1 of the test's own, which can refuse, or be the last thing that the
 * broker did before it was killed. */

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker/store-internal.h"
#include "tests/support/fds.h"

#define STORED_MAX 64
#define LEASES_MAX 4
#define DUPLICATES_MAX 3
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct Systemd {
        char names[STORED_MAX][16];
        int fds[STORED_MAX];
        unsigned n, max;
        char log[512]; /* "+name" and "-name" of every message */
        unsigned n_messages;
        unsigned alive_for;  /* this many messages, then it is as if we were dead */
        unsigned n_in_state; /* leases that the state had when the last descriptor came or went */
} Systemd;

typedef struct Fixture {
        sd_event *event;
        Store *store;
        Systemd systemd;
        int n_fds;
} Fixture;

/* The client's side of a lease, and ours. */
typedef struct Held {
        int control[2], duplicates[DUPLICATES_MAX][2]; /* ours, theirs */
        unsigned n_duplicates;
        StoreLease *kept;
        char id[RECORD_LEASE_SIZE];
} Held;

/* PID 1. */

static bool is_same(int a, int b) {
        struct stat x, y;

        assert_true(fstat(a, &x) == 0 && fstat(b, &y) == 0);
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void systemd_remove(Systemd *systemd, const char *name) {
        unsigned kept = 0;

        for (unsigned i = 0; i < systemd->n; i++) {
                if (streq(systemd->names[i], name)) {
                        close_fd(systemd->fds[i]);
                        continue;
                }
                if (kept != i) {
                        memcpy(systemd->names[kept], systemd->names[i], sizeof(systemd->names[0]));
                        systemd->fds[kept] = systemd->fds[i];
                }
                kept++;
        }
        systemd->n = kept;
}

static int systemd_find(const Systemd *systemd, const char *name) {
        for (unsigned i = 0; i < systemd->n; i++)
                if (streq(systemd->names[i], name))
                        return (int)i;
        return -1;
}

/* How many leases the next broker would know of; INT_MAX: it cannot be read. */
static unsigned systemd_read_state(const Systemd *systemd) {
        int i = systemd_find(systemd, "state"), r;
        StateContent content;
        unsigned n;
        State state;

        assert_true(i >= 0);
        r = state_init_consume_fd(&state, fcntl(systemd->fds[i], F_DUPFD_CLOEXEC, 3), &content);
        if (r < 0)
                return INT_MAX;

        n = content.n_entries;
        state_content_deinit(&content);
        state_deinit(&state);
        return n;
}

/* What has been stored once is not stored again, and what is too much is dropped without a word. */
static void systemd_store(Systemd *systemd, const char *name, int fd) {
        for (unsigned i = 0; i < systemd->n; i++)
                if (is_same(systemd->fds[i], fd))
                        return;
        if (systemd->n >= systemd->max)
                return;

        (void)snprintf(systemd->names[systemd->n], sizeof(systemd->names[0]), "%s", name);
        systemd->fds[systemd->n] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        assert_true(systemd->fds[systemd->n++] >= 0);
        if (!streq(name, "state"))
                systemd->n_in_state = systemd_read_state(systemd);
}

static int systemd_notify(const char *message, int fd, void *userdata) {
        Systemd *systemd = userdata;
        const char *name = strstr(message, "FDNAME=");
        bool store = strstr(message, "FDSTORE=1\n");
        size_t used = strlen(systemd->log);

        if (systemd->n_messages == systemd->alive_for)
                return -ECONNREFUSED;

        systemd->n_messages++;
        assert_non_null(name);
        name += strlen("FDNAME=");
        assert_in_range(strlen(name), 1, 8);
        assert_int_equal(store, fd >= 0);
        assert_int_equal(store, !!strstr(message, "FDPOLL=0\n"));
        assert_int_equal(!store, !!strstr(message, "FDSTOREREMOVE=1\n"));
        (void)snprintf(systemd->log + used, sizeof(systemd->log) - used, "%s%c%s", used ? " " : "",
                       store ? '+' : '-', name);
        if (store)
                systemd_store(systemd, name, fd);
        else {
                if (!streq(name, "state") && systemd_find(systemd, "state") >= 0)
                        systemd->n_in_state = systemd_read_state(systemd);
                systemd_remove(systemd, name);
        }
        return 1;
}

static void assert_log(Fixture *f, const char *expected) {
        assert_string_equal(f->systemd.log, expected);
        f->systemd.log[0] = 0;
}

/* Leases. */

static StateLease lease_of(const Held *held) {
        StateLease lease = {
                .request = "0123456789abcdef",
                .name = {.endpoint = "docker"},
                .access = ACCESS_FULL,
                .mode = LEASE_MODE_REVOCABLE,
                .kind = KIND_STREAM,
                .how = HOW_IMPLICIT,
                .definition = HASH,
                .uid = 1000,
                .identity = 1000,
                .pid = 4711,
        };

        memcpy(lease.id, held->id, sizeof(lease.id));
        return lease;
}

static void pair(int fds[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
}

static void held_init(Held *held, unsigned number, unsigned n_duplicates) {
        *held = (Held){.n_duplicates = n_duplicates};
        (void)snprintf(held->id, sizeof(held->id), "%032x", number);
        pair(held->control);
        for (unsigned i = 0; i < DUPLICATES_MAX; i++)
                pair(held->duplicates[i]);
}

static void held_close_ours(Held *held) {
        held->control[0] = close_fd(held->control[0]);
        for (unsigned i = 0; i < DUPLICATES_MAX; i++)
                held->duplicates[i][0] = close_fd(held->duplicates[i][0]);
        held->kept = NULL;
}

static void held_deinit(Held *held) {
        held_close_ours(held);
        close_fd(held->control[1]);
        for (unsigned i = 0; i < DUPLICATES_MAX; i++)
                close_fd(held->duplicates[i][1]);
}

static int try_keep(Fixture *f, Held *held) {
        StateLease lease = lease_of(held);
        int fds[DUPLICATES_MAX];

        for (unsigned i = 0; i < held->n_duplicates; i++)
                fds[i] = held->duplicates[i][0];
        return store_add(f->store, &lease, held->control[0], fds, held->n_duplicates, &held->kept);
}

static void keep(Fixture *f, Held *held) {
        assert_int_equal(try_keep(f, held), 0);
}

/* Whether the other side has been hung up on. */
static bool is_cut(int fd) {
        char c;

        return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static bool is_connected_to(int a, int b) {
        char c = 0;

        return send(a, "x", 1, MSG_NOSIGNAL) == 1 && recv(b, &c, 1, MSG_DONTWAIT) == 1 && c == 'x';
}

/* The next broker: what it is passed, with a descriptor of somebody else's. */
static void restart_with(Fixture *f, unsigned max_leases, StoreContent *ret) {
        char *names[STORED_MAX + 1];
        int fds[STORED_MAX + 1], other[2];
        unsigned n = f->systemd.n;

        store_free(f->store);
        pair(other);
        names[0] = (char *)"doorward.socket";
        fds[0] = other[0];
        for (unsigned i = 0; i < n; i++) {
                names[1 + i] = f->systemd.names[i];
                fds[1 + i] = fcntl(f->systemd.fds[i], F_DUPFD_CLOEXEC, 3);
        }
        f->systemd.alive_for = UINT32_MAX;
        f->systemd.log[0] = 0;

        assert_int_equal(store_new(f->event, max_leases, systemd_notify, &f->systemd, &f->store),
                         0);
        assert_int_equal(store_take(f->store, fds, names, n + 1, ret), 0);
        assert_int_equal(fds[0], other[0]);
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(fds[1 + i], -EBADF);
        assert_true(is_connected_to(other[0], other[1]));
        close_fd(other[0]);
        close_fd(other[1]);
}

static void restart(Fixture *f, StoreContent *ret) {
        restart_with(f, LEASES_MAX, ret);
}

/* Until nothing is gathered any more. */
static void run_until_idle(Fixture *f) {
        while (deadline_is_set(&f->store->deadline))
                assert_true(sd_event_run(f->event, 2000 * 1000) > 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        f->n_fds = fds_count();
        f->systemd.max = STORED_MAX;
        f->systemd.alive_for = UINT32_MAX;
        if (sd_event_new(&f->event) < 0 ||
            store_new(f->event, LEASES_MAX, systemd_notify, &f->systemd, &f->store) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        int leaked;

        store_free(f->store);
        while (f->systemd.n > 0)
                close_fd(f->systemd.fds[--f->systemd.n]);
        sd_event_unref(f->event);
        leaked = fds_count() - f->n_fds;
        free(f);
        return leaked;
}

/* The state comes before the descriptors that it tells of. */
static void test_order(void **state) {
        Fixture *f = *state;
        Held a, b;

        held_init(&a, 1, 1);
        held_init(&b, 2, 2);
        keep(f, &a);
        assert_false(store_has(a.kept));
        assert_log(f, "");
        run_until_idle(f);
        assert_log(f, "+state +c0000001 +d0000002");
        assert_int_equal(f->systemd.n_in_state, 1);
        assert_true(store_has(a.kept));
        assert_int_equal(store_count_sent(f->store), 3);

        /* What is over goes before what is new comes. */
        keep(f, &b);
        a.kept = store_remove(f->store, a.kept);
        assert_null(a.kept);
        assert_log(f, "");
        run_until_idle(f);
        assert_log(f, "-d0000002 -c0000001 +c0000003 +d0000004 +d0000005");
        assert_int_equal(f->systemd.n_in_state, 1);
        assert_int_equal(store_count_sent(f->store), f->systemd.n);

        /* Nothing is left: not the state either. */
        store_remove(f->store, b.kept);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "-d0000005 -d0000004 -c0000003 -state");
        assert_int_equal(f->systemd.n_in_state, 0);
        assert_int_equal(f->systemd.n, 0);
        assert_int_equal(store_count_sent(f->store), 0);
        held_deinit(&a);
        held_deinit(&b);
}

/* Of what lives for a moment PID 1 hears nothing, and nobody wakes up for it. */
static void test_short_lived(void **state) {
        Fixture *f = *state;
        Held held;

        held_init(&held, 1, 1);
        keep(f, &held);
        assert_int_equal(store_add_duplicate(f->store, held.kept, held.duplicates[1][0]), 0);
        store_remove_duplicate(f->store, held.kept, held.duplicates[0][0]);
        store_remove(f->store, held.kept);
        assert_false(deadline_is_set(&f->store->deadline));
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n_messages, 0);
        held_deinit(&held);
}

static void test_many_changes_are_one(void **state) {
        Fixture *f = *state;
        StateLease lease;
        Held held;

        held_init(&held, 1, 1);
        keep(f, &held);
        lease = lease_of(&held);
        for (unsigned i = 0; i < 50; i++) {
                lease.opened = i;
                assert_int_equal(store_update(f->store, held.kept, &lease), 0);
        }
        run_until_idle(f);
        assert_int_equal(f->store->state.generation, 1);
        assert_log(f, "+state +c0000001 +d0000002");

        /* What only the state tells needs no message. */
        lease.opened = 99;
        assert_int_equal(store_update(f->store, held.kept, &lease), 0);
        run_until_idle(f);
        assert_int_equal(f->store->state.generation, 2);
        assert_log(f, "");

        lease.pid = 0;
        assert_int_equal(store_update(f->store, held.kept, &lease), -EINVAL);
        run_until_idle(f);
        assert_int_equal(f->store->state.generation, 2);
        held_deinit(&held);
}

static void test_full(void **state) {
        Fixture *f = *state;
        Held held[LEASES_MAX + 1], large;
        StateLease lease;

        for (unsigned i = 0; i <= LEASES_MAX; i++)
                held_init(&held[i], i, 1);
        held_init(&large, 9, 3);
        for (unsigned i = 0; i < LEASES_MAX; i++)
                keep(f, &held[i]);
        assert_int_equal(try_keep(f, &held[LEASES_MAX]), STORE_E_FULL);
        assert_int_equal(store_add_duplicate(f->store, held[0].kept, held[0].duplicates[1][0]),
                         STORE_E_FULL);

        /* The descriptors are counted, not only the leases. */
        store_remove(f->store, held[0].kept);
        assert_int_equal(try_keep(f, &large), STORE_E_FULL);
        store_remove_duplicate(f->store, held[1].kept, held[1].duplicates[0][0]);
        store_remove_duplicate(f->store, held[2].kept, held[2].duplicates[0][0]);
        keep(f, &large);
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n, 1 + 2 * LEASES_MAX);

        lease = lease_of(&large);
        lease.uid = (uid_t)-1;
        assert_int_equal(store_add(f->store, &lease, -EBADF, NULL, 0, &large.kept), -EINVAL);

        for (unsigned i = 0; i <= LEASES_MAX; i++)
                held_deinit(&held[i]);
        held_deinit(&large);
}

/* One that comes and one that goes are theirs alone. */
static void test_duplicates(void **state) {
        Fixture *f = *state;
        StoreContent content;
        Held held;

        held_init(&held, 1, 2);
        keep(f, &held);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "+state +c0000001 +d0000002 +d0000003");

        store_remove_duplicate(f->store, held.kept, held.duplicates[0][0]);
        assert_int_equal(store_add_duplicate(f->store, held.kept, held.duplicates[2][0]), 0);
        assert_false(store_has(held.kept));
        assert_int_equal(store_flush(f->store), 0);
        assert_true(store_has(held.kept));
        assert_log(f, "-d0000002 +d0000004");
        /* Not one of its. */
        store_remove_duplicate(f->store, held.kept, held.duplicates[0][0]);
        store_remove_duplicate(f->store, held.kept, held.control[0]);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "");

        held_close_ours(&held);
        restart(f, &content);
        assert_int_equal(content.n_leases, 1);
        assert_non_null(content.leases[0].kept);
        assert_int_equal(content.leases[0].n_fds, 3);
        assert_true(is_connected_to(content.leases[0].fds[0], held.control[1]));
        assert_true(is_connected_to(content.leases[0].fds[1], held.duplicates[1][1]));
        assert_true(is_connected_to(content.leases[0].fds[2], held.duplicates[2][1]));
        store_content_deinit(f->store, &content);
        held_deinit(&held);
}

static void take_all(StoreTaken *taken, Held *held) {
        held->kept = taken->kept;
        held->control[0] = TAKE_FD(taken->fds[0]);
        for (unsigned i = 1; i < taken->n_fds; i++)
                held->duplicates[i - 1][0] = TAKE_FD(taken->fds[i]);
}

static void test_restart(void **state) {
        Fixture *f = *state;
        StateBlock block = {.uid = 1000, .endpoint = "docker", .until = 5};
        StoreContent content;
        Held a, b;

        held_init(&a, 1, 1);
        held_init(&b, 2, 0);
        keep(f, &a);
        keep(f, &b);
        assert_int_equal(store_set_blocks(f->store, &block, 1), 0);
        assert_int_equal(store_flush(f->store), 0);
        held_close_ours(&a);
        held_close_ours(&b);

        restart(f, &content);
        assert_int_equal(content.error, 0);
        assert_int_equal(content.n_leases, 2);
        assert_int_equal(content.n_orphans, 0);
        assert_int_equal(content.n_blocks, 1);
        assert_int_equal(content.blocks[0].uid, 1000);
        for (unsigned i = 0; i < 2; i++)
                take_all(&content.leases[i], streq(content.leases[i].lease.id, a.id) ? &a : &b);
        store_content_deinit(f->store, &content);
        assert_true(is_connected_to(a.control[0], a.control[1]));
        assert_true(is_connected_to(a.duplicates[0][0], a.duplicates[0][1]));
        assert_true(is_connected_to(b.control[0], b.control[1]));
        assert_true(store_has(a.kept) && store_has(b.kept));
        assert_int_equal(store_count_sent(f->store), f->systemd.n);

        /* PID 1 has all of it already. */
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "");

        /* It goes on: in the same state, with names that are new. */
        assert_int_equal(store_add_duplicate(f->store, b.kept,
                                             b.duplicates[0][0] =
                                                     fcntl(b.duplicates[1][1], F_DUPFD_CLOEXEC, 3)),
                         0);
        store_remove(f->store, a.kept);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "-d0000002 -c0000001 +d0000004");

        /* A block alone is reason enough to have a state. */
        store_remove(f->store, b.kept);
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n, 1);
        restart(f, &content);
        assert_int_equal(content.n_leases, 0);
        assert_int_equal(content.n_blocks, 1);
        store_content_deinit(f->store, &content);
        assert_int_equal(store_set_blocks(f->store, NULL, 0), 0);
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n, 0);
        held_deinit(&a);
        held_deinit(&b);
}

/* Not whole is over, and what nobody takes is cut. */
static void check_missing(Fixture *f, const char *name) {
        StoreContent content;
        Held a, b;

        held_init(&a, 1, 2);
        held_init(&b, 2, 1);
        keep(f, &a);
        keep(f, &b);
        assert_int_equal(store_flush(f->store), 0);
        held_close_ours(&a);
        held_close_ours(&b);
        systemd_remove(&f->systemd, name);

        restart(f, &content);
        assert_int_equal(content.n_leases, 2);
        for (unsigned i = 0; i < 2; i++) {
                StoreTaken *taken = &content.leases[i];

                if (streq(taken->lease.id, b.id)) {
                        take_all(taken, &b);
                        continue;
                }
                assert_null(taken->kept);
                assert_int_equal(taken->n_fds, 3);
                for (unsigned j = 0; j < 3; j++)
                        assert_int_equal(taken->fds[j] < 0,
                                         streq(name, (const char *[]){"c0000001", "d0000002",
                                                                      "d0000003"}[j]));
        }
        store_content_deinit(f->store, &content);
        assert_true(is_cut(a.control[1]));
        assert_true(is_cut(a.duplicates[0][1]));
        assert_true(is_cut(a.duplicates[1][1]));
        assert_true(is_connected_to(b.control[0], b.control[1]));
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n, 3);
        assert_int_equal(systemd_read_state(&f->systemd), 1);

        store_remove(f->store, b.kept);
        assert_int_equal(store_flush(f->store), 0);
        held_deinit(&a);
        held_deinit(&b);
        f->store->number = 0;
}

static void test_missing(void **state) {
        check_missing(*state, "c0000001");
        check_missing(*state, "d0000002");
        check_missing(*state, "d0000003");
}

static void test_orphans(void **state) {
        Fixture *f = *state;
        StoreContent content;
        Held held, other;

        held_init(&held, 1, 1);
        held_init(&other, 2, 1);
        keep(f, &held);
        assert_int_equal(store_flush(f->store), 0);
        systemd_store(&f->systemd, "c00000aa", other.control[0]);
        /* A second one of a name that is known: one of the two is not. */
        systemd_store(&f->systemd, "d0000002", other.duplicates[0][0]);
        held_close_ours(&held);
        held_close_ours(&other);

        restart(f, &content);
        assert_int_equal(content.n_leases, 1);
        assert_int_equal(content.n_orphans, 2);
        take_all(&content.leases[0], &held);
        store_content_deinit(f->store, &content);
        assert_true(is_cut(other.control[1]));
        assert_true(is_cut(held.duplicates[0][1]) != is_cut(other.duplicates[0][1]));

        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(systemd_find(&f->systemd, "c00000aa"), -1);
        /* Its number is not given to anybody while it may still be there. */
        assert_true(f->store->number >= 0xaa);
        held_deinit(&held);
        held_deinit(&other);
}

/* Without the state nobody knows whose they are. */
static void test_unreadable(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 2; i++) {
                StoreContent content;
                Held held;

                held_init(&held, 1, 1);
                keep(f, &held);
                assert_int_equal(store_flush(f->store), 0);
                held_close_ours(&held);
                if (i == 0)
                        systemd_remove(&f->systemd, "state");
                else
                        assert_int_equal(pwrite(f->store->state.fd, "x", 1, 60), 1);

                restart(f, &content);
                assert_int_equal(content.error, i == 0 ? 0 : -EBADMSG);
                assert_int_equal(content.n_leases, 0);
                assert_int_equal(content.n_orphans, 2);
                store_content_deinit(f->store, &content);
                assert_true(is_cut(held.control[1]) && is_cut(held.duplicates[0][1]));

                /* Something new, before what is of no use was taken out. */
                held_deinit(&held);
                held_init(&held, 2, 1);
                keep(f, &held);
                assert_int_equal(store_flush(f->store), 0);
                assert_int_equal(systemd_read_state(&f->systemd), 1);
                assert_int_equal(f->systemd.n, 3);
                store_remove(f->store, held.kept);
                assert_int_equal(store_flush(f->store), 0);
                assert_int_equal(f->systemd.n, 0);
                held_deinit(&held);
        }
}

/* Whoever takes nothing leaves nothing behind. */
static void test_nothing_taken(void **state) {
        Fixture *f = *state;
        StoreContent content;
        Held held;

        held_init(&held, 1, 1);
        keep(f, &held);
        assert_int_equal(store_flush(f->store), 0);
        held_close_ours(&held);
        restart(f, &content);
        assert_non_null(content.leases[0].kept);
        store_content_deinit(f->store, &content);
        assert_true(is_cut(held.control[1]) && is_cut(held.duplicates[0][1]));
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(f->systemd.n, 0);
        held_deinit(&held);
}

/* The setting was lowered: those that are too many are over. */
static void test_fewer(void **state) {
        Fixture *f = *state;
        StoreContent content;
        Held held[3];

        for (unsigned i = 0; i < 3; i++) {
                held_init(&held[i], i, 1);
                keep(f, &held[i]);
        }
        assert_int_equal(store_flush(f->store), 0);
        for (unsigned i = 0; i < 3; i++)
                held_close_ours(&held[i]);

        restart_with(f, 2, &content);
        assert_int_equal(content.n_leases, 3);
        assert_int_equal(
                !!content.leases[0].kept + !!content.leases[1].kept + !!content.leases[2].kept, 2);
        store_content_deinit(f->store, &content);
        for (unsigned i = 0; i < 3; i++)
                held_deinit(&held[i]);
}

/* What PID 1 does not take is tried again, and does not count as kept. */
static void test_refused(void **state) {
        Fixture *f = *state;
        Held held;

        held_init(&held, 1, 1);
        keep(f, &held);
        f->systemd.alive_for = 2;
        assert_int_equal(store_flush(f->store), -ECONNREFUSED);
        assert_false(store_has(held.kept));
        assert_int_equal(store_count_sent(f->store), 2);
        f->systemd.alive_for = UINT32_MAX;
        assert_int_equal(store_flush(f->store), 0);
        assert_true(store_has(held.kept));
        assert_log(f, "+state +c0000001 +d0000002");

        store_remove(f->store, held.kept);
        f->systemd.alive_for = f->systemd.n_messages + 1;
        assert_int_equal(store_flush(f->store), -ECONNREFUSED);
        f->systemd.alive_for = UINT32_MAX;
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "-d0000002 -c0000001 -state");
        held_deinit(&held);
}

/* What is new waits for a state that tells of it; what is over does not. */
static void test_state_is_not_written(void **state) {
        Fixture *f = *state;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), writable;
        Held a, b;

        held_init(&a, 1, 1);
        held_init(&b, 2, 1);
        keep(f, &a);
        assert_int_equal(store_flush(f->store), 0);
        writable = f->store->state.fd;
        f->store->state.fd = fd;
        f->systemd.log[0] = 0;

        store_remove_duplicate(f->store, a.kept, a.duplicates[0][0]);
        keep(f, &b);
        assert_int_equal(store_flush(f->store), -EBADF);
        assert_log(f, "-d0000002");
        assert_false(store_has(b.kept));

        f->store->state.fd = writable;
        close_fd(fd);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "+c0000003 +d0000004");
        assert_true(store_has(b.kept));
        held_deinit(&a);
        held_deinit(&b);
}

/* Numbers come around, past those that are there and those that are about to go. */
static void test_numbers(void **state) {
        Fixture *f = *state;
        Held a, b;

        held_init(&a, 1, 1);
        held_init(&b, 2, 1);
        keep(f, &a);
        assert_int_equal(store_flush(f->store), 0);
        store_remove(f->store, a.kept);
        f->store->number = STATE_NUMBER_MAX - 1;
        f->systemd.log[0] = 0;
        keep(f, &b);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "-d0000002 -c0000001 +cfffffff +d0000003");
        held_deinit(&a);
        held_deinit(&b);
}

/* Killed after any message, or with a PID 1 that takes only some: what comes back is whole, or it
 * is known to be over and cut, and there is no third. */
static void check_death(unsigned alive_for, unsigned max) {
        Fixture *f;
        StoreContent content;
        Held held[3];
        void *state;

        assert_int_equal(setup(&state), 0);
        f = state;
        for (unsigned i = 0; i < 3; i++)
                held_init(&held[i], i, 2);
        keep(f, &held[0]);
        keep(f, &held[1]);
        assert_int_equal(store_flush(f->store), 0);

        /* One goes and one comes, and so do descriptors of the other. */
        f->systemd.alive_for = f->systemd.n_messages + alive_for;
        f->systemd.max = max;
        store_remove(f->store, held[0].kept);
        (void)shutdown(held[0].duplicates[0][0], SHUT_RDWR);
        (void)shutdown(held[0].duplicates[1][0], SHUT_RDWR);
        held[2].n_duplicates = 1;
        keep(f, &held[2]);
        store_remove_duplicate(f->store, held[1].kept, held[1].duplicates[0][0]);
        (void)shutdown(held[1].duplicates[0][0], SHUT_RDWR);
        assert_int_equal(store_add_duplicate(f->store, held[1].kept, held[1].duplicates[2][0]), 0);
        (void)store_flush(f->store);
        for (unsigned i = 0; i < 3; i++)
                held_close_ours(&held[i]);

        restart(f, &content);
        for (unsigned i = 0; i < content.n_leases; i++) {
                StoreTaken *taken = &content.leases[i];
                Held *its = &held[strtoul(taken->lease.id, NULL, 16)];
                unsigned n = 0;

                /* The first is not known any more: the state was written. */
                assert_true(its != &held[0]);
                for (unsigned j = 0; j < taken->n_fds; j++)
                        n += taken->fds[j] >= 0;
                assert_int_equal(!!taken->kept, n == taken->n_fds);
                if (taken->kept)
                        take_all(taken, its);
        }
        assert_int_equal(content.n_leases, 2);
        store_content_deinit(f->store, &content);

        assert_true(is_cut(held[0].control[1]));
        for (unsigned i = 1; i < 3; i++) {
                const Held *its = &held[i];

                if (its->kept) {
                        assert_true(is_connected_to(its->control[0], its->control[1]));
                        assert_true(is_connected_to(its->duplicates[0][0],
                                                    its->duplicates[1 * (i == 1)][1]));
                } else
                        assert_true(is_cut(its->control[1]));
                /* What we do not have nobody has. */
                for (unsigned j = 0; j < DUPLICATES_MAX && !its->kept; j++)
                        assert_true(is_cut(its->duplicates[j][1]));
        }

        /* PID 1 has what is kept, and no more. */
        f->systemd.max = STORED_MAX;
        assert_int_equal(store_flush(f->store), 0);
        assert_int_equal(store_count_sent(f->store), f->systemd.n);
        assert_int_equal(f->systemd.n,
                         (held[1].kept || held[2].kept) + 3 * !!held[1].kept + 2 * !!held[2].kept);
        for (unsigned i = 0; i < 3; i++)
                held_deinit(&held[i]);
        assert_int_equal(teardown(&state), 0);
}

static void test_killed(void **state) {
        for (unsigned i = 0; i < 9; i++)
                check_death(i, STORED_MAX);
}

static void test_pid1_is_full(void **state) {
        for (unsigned i = 0; i < 9; i++)
                check_death(UINT32_MAX / 2, i);
}

static void test_blocks(void **state) {
        Fixture *f = *state;
        _cleanup_free_ StateBlock *blocks = calloc(STATE_BLOCKS_MAX + 1, sizeof(*blocks));
        StateBlock bad = {.uid = (uid_t)-1};

        assert_non_null(blocks);
        assert_int_equal(store_set_blocks(f->store, blocks, STATE_BLOCKS_MAX + 1), STORE_E_FULL);
        assert_int_equal(store_set_blocks(f->store, &bad, 1), -EINVAL);
        assert_int_equal(store_set_blocks(f->store, NULL, 0), 0);
        assert_int_equal(store_flush(f->store), 0);
        assert_log(f, "");
        assert_int_equal(store_set_blocks(f->store, blocks, STATE_BLOCKS_MAX), 0);
        run_until_idle(f);
        assert_log(f, "+state");
        assert_int_equal(store_set_blocks(f->store, NULL, 0), 0);
        run_until_idle(f);
        assert_log(f, "-state");
}

/* Outside of systemd. */
static void test_nobody_to_keep_it(void **state) {
        Fixture *f = *state;
        Store *store;
        Held held;

        held_init(&held, 1, 1);
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        assert_int_equal(store_new(f->event, LEASES_MAX, NULL, NULL, &store), 0);
        store_free(f->store);
        f->store = store;
        assert_int_equal(try_keep(f, &held), STORE_E_FULL);
        held_deinit(&held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_order),        TEST(test_short_lived),
                TEST(test_full),         TEST(test_many_changes_are_one),
                TEST(test_duplicates),   TEST(test_restart),
                TEST(test_missing),      TEST(test_orphans),
                TEST(test_unreadable),   TEST(test_nothing_taken),
                TEST(test_fewer),        TEST(test_refused),
                TEST(test_numbers),      TEST(test_killed),
                TEST(test_pid1_is_full), TEST(test_state_is_not_written),
                TEST(test_blocks),       TEST(test_nobody_to_keep_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
