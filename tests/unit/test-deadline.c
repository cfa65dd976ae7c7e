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
        DeadlineClock clock;
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
        deadline_clock_init(&f->clock, f->event);
        deadline_init(&f->deadline, &f->clock, on_deadline, f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        deadline_lift(&f->deadline);
        deadline_clock_deinit(&f->clock);
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

/* Several of one clock. */

typedef struct Several {
        DeadlineClock clock;
        Deadline deadlines[8];
        size_t order[8];
        size_t n;
} Several;

static Several several;

static void on_one(void *userdata) {
        Deadline *deadline = userdata;

        several.order[several.n++] = (size_t)(deadline - several.deadlines);

        /* What would have been next is gone, and the one after it, which came later, as well. */
        if (deadline == &several.deadlines[3]) {
                deadline_lift(&several.deadlines[1]);
                deadline_lift(&several.deadlines[6]);
        }
}

/* Whatever order they are set in, they pass in that of their ends; and each may lift others. */
static void test_several(void **state) {
        static const unsigned ms[ELEMENTSOF(several.deadlines)] = {30, 16, 25, 15, 40, 5, 17, 25};
        static const size_t expected[] = {5, 3, 2, 7, 0, 4};
        Fixture *f = *state;
        uint64_t now;

        several = (Several){};
        deadline_clock_init(&several.clock, f->event);
        assert_true(sd_event_now(f->event, CLOCK_MONOTONIC, &now) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(ms); i++) {
                deadline_init(&several.deadlines[i], &several.clock, on_one, &several.deadlines[i]);
                assert_int_equal(deadline_set(&several.deadlines[i], now + ms[i] * MS), 0);
        }

        while (several.n < ELEMENTSOF(expected))
                turn(f, 2000 * MS);
        turn(f, 20 * MS);
        assert_int_equal(several.n, ELEMENTSOF(expected));
        assert_memory_equal(several.order, expected, sizeof(expected));
        assert_null(several.clock.first);
        assert_null(several.clock.last);
        deadline_clock_deinit(&several.clock);
}

/* The first is lifted: the timer still goes off at its end, once, and then at the next one's. */
static void test_first_is_lifted(void **state) {
        Fixture *f = *state;
        Deadline first;

        deadline_init(&first, &f->clock, on_deadline, f);
        assert_int_equal(deadline_set_relative(&first, 5 * MS), 0);
        assert_int_equal(deadline_set_relative(&f->deadline, 40 * MS), 0);
        deadline_lift(&first);
        turn(f, 2000 * MS);
        assert_int_equal(f->n, 0);
        assert_int_equal(f->clock.armed, f->deadline.end);
        while (f->n == 0)
                turn(f, 2000 * MS);
        assert_int_equal(f->n, 1);
        assert_false(deadline_is_set(&f->deadline));
        assert_int_equal(f->clock.armed, UINT64_MAX);
}

/* The timer is told of one that comes before all others, and of nothing else. */
static void test_timer_is_left_alone(void **state) {
        Fixture *f = *state;
        uint64_t armed;
        Deadline other;

        deadline_init(&other, &f->clock, on_deadline, f);
        assert_int_equal(deadline_set_relative(&f->deadline, 60000 * MS), 0);
        armed = f->clock.armed;
        assert_int_equal(armed, f->deadline.end);
        assert_int_equal(deadline_set_relative(&other, 70000 * MS), 0);
        deadline_lift(&f->deadline);
        assert_int_equal(deadline_set_relative(&f->deadline, 80000 * MS), 0);
        assert_int_equal(f->clock.armed, armed);
        assert_ptr_equal(f->clock.first, &other);
        assert_int_equal(deadline_set_relative(&f->deadline, 50000 * MS), 0);
        assert_int_equal(f->clock.armed, f->deadline.end);
        deadline_lift(&other);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_passes_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lifted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_put_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_comes_nearer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_set_again, setup, teardown),
                cmocka_unit_test_setup_teardown(test_several, setup, teardown),
                cmocka_unit_test_setup_teardown(test_first_is_lifted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_timer_is_left_alone, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
