/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/moment.h"

#define SEC INT64_C(1000000)
/* 2026-10-02 12:01:33 UTC, and half a second. */
#define MOMENT (INT64_C(1790942493) * SEC + SEC / 2)

static void zone_set(const char *zone) {
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
}

static void assert_moment(int64_t usec, const char *expected) {
        char buf[MOMENT_TEXT_SIZE];

        assert_string_equal(moment_to_string(usec, buf), expected);
}

static void assert_short(int64_t usec, int64_t now, const char *expected) {
        char buf[MOMENT_TEXT_SIZE];

        assert_string_equal(moment_to_short_string(usec, now, buf), expected);
}

static void test_local(void **state) {
        zone_set("UTC0");
        assert_moment(MOMENT, "2026-10-02 12:01:33");
        assert_moment(0, "1970-01-01 00:00:00");
        zone_set("XYZ-2");
        assert_moment(MOMENT, "2026-10-02 14:01:33");
        zone_set("UTC0");
}

/* The day is there unless it is this one, here. */
static void test_short(void **state) {
        zone_set("UTC0");
        assert_short(MOMENT, MOMENT + 3600 * SEC, "12:01:33");
        assert_short(MOMENT + 3600 * SEC, MOMENT, "13:01:33");
        assert_short(MOMENT, MOMENT + 12 * 3600 * SEC, "2026-10-02 12:01:33");
        assert_short(MOMENT, MOMENT + 365 * 86400 * SEC, "2026-10-02 12:01:33");
        zone_set("XYZ-12");
        assert_short(MOMENT, MOMENT - 3600 * SEC, "2026-10-03 00:01:33");
        zone_set("UTC0");
}

static void test_impossible(void **state) {
        assert_moment(-1, "?");
        assert_moment(INT64_MIN, "?");
        assert_short(-1, MOMENT, "?");
        /* Far, and still of a calendar. */
        assert_moment(INT64_MAX, "294247-01-10 04:00:54");
}

static void test_now(void **state) {
        int64_t now = moment_now();

        assert_true(now / SEC - (int64_t)time(NULL) >= -1);
        assert_true(now / SEC - (int64_t)time(NULL) <= 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_local),
                cmocka_unit_test(test_short),
                cmocka_unit_test(test_impossible),
                cmocka_unit_test(test_now),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
