/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/stepup.h"

#define SECOND UINT64_C(1000000)
#define HASH "0123456789012345678901234567890123456789012345678901234567890123"

static const Name docker = {.endpoint = "docker"}, line = {.endpoint = "docker", .instance = "a"};

static StepupKey key(void) {
        return (StepupKey){.uid = 1000,
                           .session = "c1",
                           .tty = 34816,
                           .name = &docker,
                           .access = ACCESS_FULL,
                           .definition = HASH};
}

static void test_counts_for_the_same_only(void **state) {
        StepupTable table = {};
        StepupKey same = key(), other;

        stepup_table_add(&table, &same, SECOND, 60 * SECOND);
        assert_true(stepup_table_has(&table, &same, SECOND));

#define ASSERT_OTHER(change)                                            \
        do {                                                            \
                other = key();                                          \
                other.change;                                           \
                assert_false(stepup_table_has(&table, &other, SECOND)); \
        } while (false)
        ASSERT_OTHER(uid = 1001);
        ASSERT_OTHER(session = "c2");
        ASSERT_OTHER(session = NULL);
        ASSERT_OTHER(tty = 34817);
        ASSERT_OTHER(tty = 0);
        ASSERT_OTHER(name = &line);
        ASSERT_OTHER(access = ACCESS_READ_ONLY);
        ASSERT_OTHER(definition = &HASH[1]);

        stepup_table_deinit(&table);
}

static void test_ends(void **state) {
        StepupTable table = {};
        StepupKey same = key();

        stepup_table_add(&table, &same, SECOND, 60 * SECOND);
        assert_true(stepup_table_has(&table, &same, 61 * SECOND - 1));
        assert_false(stepup_table_is_empty(&table, 61 * SECOND - 1));
        assert_false(stepup_table_has(&table, &same, 61 * SECOND));
        assert_true(stepup_table_is_empty(&table, 61 * SECOND));
        assert_null(table.first);
}

/* Outside of a session, or where the definition does not want it. */
static void test_is_not_always_remembered(void **state) {
        StepupTable table = {};
        StepupKey same = key();

        stepup_table_add(&table, &same, SECOND, 0);
        same.session = NULL;
        stepup_table_add(&table, &same, SECOND, 60 * SECOND);
        assert_true(stepup_table_is_empty(&table, SECOND));
}

static void test_forget(void **state) {
        StepupTable table = {};
        StepupKey one = key(), other = key();

        other.uid = 1001;
        stepup_table_add(&table, &one, SECOND, 60 * SECOND);
        stepup_table_add(&table, &other, SECOND, 60 * SECOND);
        one.access = ACCESS_READ_ONLY;
        stepup_table_add(&table, &one, SECOND, 60 * SECOND);
        one.tty = 1;
        stepup_table_add(&table, &one, SECOND, 1 * SECOND);

        /* What is over by itself is not counted. */
        assert_int_equal(stepup_table_forget(&table, 1000, 3 * SECOND), 2);
        assert_int_equal(stepup_table_forget(&table, 1000, 3 * SECOND), 0);
        assert_true(stepup_table_has(&table, &other, 3 * SECOND));
        stepup_table_deinit(&table);
}

/* One user cannot fill it, nor drive out another's. */
static void test_bounded(void **state) {
        StepupTable table = {};
        StepupKey one = key(), other = key();
        unsigned n = 0;

        other.uid = 1001;
        stepup_table_add(&table, &other, SECOND, 60 * SECOND);
        for (uint32_t tty = 1; tty <= 1000; tty++) {
                one.tty = tty;
                stepup_table_add(&table, &one, SECOND, 60 * SECOND);
        }

        for (one.tty = 1; one.tty <= 1000; one.tty++)
                n += stepup_table_has(&table, &one, SECOND);
        assert_int_equal(n, STEPUPS_PER_USER);
        one.tty = 1000;
        assert_true(stepup_table_has(&table, &one, SECOND));
        assert_true(stepup_table_has(&table, &other, SECOND));
        stepup_table_deinit(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts_for_the_same_only),
                cmocka_unit_test(test_ends),
                cmocka_unit_test(test_is_not_always_remembered),
                cmocka_unit_test(test_forget),
                cmocka_unit_test(test_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
