/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/deadline.h"

#define MS UINT64_C(1000)

typedef struct Fixture {
        sd_event *event;
        Deadline deadline;
        unsigned n;
} Fixture;

static void on_deadline(void *userdata) {
        Fixture *f = userdata;

        f->n++;
        assert_false(deadline_is_set(&f->deadline));
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f || sd_event_new(&f->event) < 0)
                return -1;
        deadline_init(&f->deadline, f->event, on_deadline, f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        deadline_deinit(&f->deadline);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void turn(Fixture *f, uint64_t usec) {
        assert_true(sd_event_run(f->event, usec) >= 0);
}

static void test_passes_once(void **state) {
        Fixture *f = *state;

        assert_int_equal(deadline_set_relative(&f->deadline, 5 * MS), 0);
        assert_true(deadline_is_set(&f->deadline));
        turn(f, 2000 * MS);
        assert_int_equal(f->n, 1);
        turn(f, 20 * MS);
        assert_int_equal(f->n, 1);

        /* And again. */
        assert_int_equal(deadline_set_relative(&f->deadline, 5 * MS), 0);
        turn(f, 2000 * MS);
        assert_int_equal(f->n, 2);
}

static void test_lifted(void **state) {
        Fixture *f = *state;

        assert_int_equal(deadline_set_relative(&f->deadline, 5 * MS), 0);
        deadline_lift(&f->deadline);
        turn(f, 50 * MS);
        turn(f, 20 * MS);
        assert_int_equal(f->n, 0);
}

/* The timer goes off at the old time, and finds that there is more. */
static void test_put_off(void **state) {
        Fixture *f = *state;
        uint64_t end;

        assert_int_equal(deadline_set_relative(&f->deadline, 5 * MS), 0);
        assert_int_equal(deadline_set_relative(&f->deadline, 40 * MS), 0);
        end = f->deadline.end;
        while (f->n == 0) {
                uint64_t now;

                turn(f, 2000 * MS);
                assert_int_equal(sd_event_now(f->event, CLOCK_MONOTONIC, &now), 0);
                if (f->n == 0)
                        assert_true(now < end);
                else
                        assert_true(now >= end);
        }
}

static void test_comes_nearer(void **state) {
        Fixture *f = *state;

        assert_int_equal(deadline_set_relative(&f->deadline, 60000 * MS), 0);
        assert_int_equal(deadline_set_relative(&f->deadline, 5 * MS), 0);
        turn(f, 20000 * MS);
        assert_int_equal(f->n, 1);
}

/* What is put off thousands of times costs the loop nothing. */
static void test_set_again(void **state) {
        Fixture *f = *state;

        for (int i = 0; i < 1000; i++) {
                assert_int_equal(deadline_set_relative(&f->deadline, 60000 * MS), 0);
                deadline_lift(&f->deadline);
        }
        turn(f, 0);
        assert_int_equal(f->n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_passes_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lifted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_put_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_comes_nearer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_set_again, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
