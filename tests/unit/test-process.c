/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/pidfd.h>
#include <sys/wait.h>

#include "broker/process.h"

typedef struct Fixture {
        sd_event *event;
        ProcessTable table;
} Fixture;

static unsigned n_ended;

static void on_end(Process *process) {
        n_ended++;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f || sd_event_new(&f->event) < 0)
                return -1;
        process_table_init(&f->table, f->event, on_end);
        n_ended = 0;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < PROCESS_BUCKETS; i++)
                if (f->table.buckets[i])
                        return -1;
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static Peer peer_of(pid_t pid) {
        Peer peer = PEER_NULL;

        peer.pid = pid;
        peer.pidfd = pidfd_open(pid, 0);
        assert_true(peer.pidfd >= 0);
        return peer;
}

static pid_t start_child(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)pause();
                _exit(0);
        }
        return pid;
}

static void test_shared(void **state) {
        Fixture *f = *state;
        Peer a = peer_of(getpid()), b = peer_of(getpid());
        Process *first, *second;
        uint64_t start, again;
        bool is_new;

        assert_int_equal(process_table_ref(&f->table, &a, &first, &is_new), 0);
        assert_true(is_new);
        assert_int_equal(process_table_ref(&f->table, &b, &second, &is_new), 0);
        assert_false(is_new);
        assert_ptr_equal(first, second);
        assert_int_equal(a.pidfd, b.pidfd);

        assert_int_equal(process_get_start_time(first, &a, &start), 0);
        assert_int_equal(peer_get_start_time(&a, &again), 0);
        assert_int_equal(start, again);

        process_unref(first);
        assert_true(peer_is_alive(&b));
        process_unref(second);
        assert_false(f->table.buckets[(unsigned)getpid() % PROCESS_BUCKETS]);
}

static void test_end(void **state) {
        Fixture *f = *state;
        pid_t pid = start_child();
        Peer peer = peer_of(pid), late = peer_of(pid), later = peer_of(pid);
        Process *process, *another;
        bool is_new;

        assert_int_equal(process_table_ref(&f->table, &peer, &process, &is_new), 0);
        assert_true(sd_event_run(f->event, 0) >= 0);
        assert_int_equal(n_ended, 0);

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(sd_event_run(f->event, 1000000) >= 0);
        assert_int_equal(n_ended, 1);

        /* One that has ended is not what somebody is found to be who comes with its number. */
        assert_int_equal(process_table_ref(&f->table, &late, &another, &is_new), 0);
        assert_true(is_new);
        assert_ptr_not_equal(process, another);
        process_unref(another);
        process_unref(process);
        close_fd(later.pidfd);
}

/* The same number, one after the other: whoever is dead is not the other one. */
static void test_dead_peer_of_a_living_number(void **state) {
        Fixture *f = *state;
        pid_t pid = start_child();
        Peer alive = peer_of(getpid()), dead = peer_of(pid);
        Process *process, *another = NULL;
        bool is_new;

        assert_int_equal(process_table_ref(&f->table, &alive, &process, &is_new), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);

        dead.pid = getpid(); /* as if the number had been given anew */
        assert_int_equal(process_table_ref(&f->table, &dead, &another, &is_new), PEER_E_GONE);
        assert_null(another);
        assert_true(dead.pidfd >= 0);
        close_fd(dead.pidfd);
        process_unref(process);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dead_peer_of_a_living_number, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
