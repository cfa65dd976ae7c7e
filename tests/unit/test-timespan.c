/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/timespan.h"

static void test_parse(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                {"0", 0},
                {"90", 90000000},
                {"90s", 90000000},
                {"1 sec", 1000000},
                {"8h", UINT64_C(28800000000)},
                {"1h 30min", UINT64_C(5400000000)},
                {"1h30min", UINT64_C(5400000000)},
                {" 1h\t30 minutes ", UINT64_C(5400000000)},
                {"2m", 120000000},
                {"1d", UINT64_C(86400000000)},
                {"1w 1d", UINT64_C(691200000000)},
                {"500ms", 500000},
                {"7us", 7},
                {"1 2", 3000000},
                {"18446744073709551615us", UINT64_MAX},
                {"00000000000000000000000000001", 1000000},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 1234;

                assert_int_equal(timespan_parse(cases[i].text, &usec), 0);
                assert_int_equal(usec, cases[i].usec);
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                {"", -EINVAL},
                {"   ", -EINVAL},
                {"h", -EINVAL},
                {"1x", -EINVAL},
                {"1H", -EINVAL},
                {"1.5h", -EINVAL},
                {"-1", -EINVAL},
                {"+1", -EINVAL},
                {"0x10", -EINVAL},
                {"1h min", -EINVAL},
                {"1h,", -EINVAL},
                {"infinity", -EINVAL},
                {"8hh", -EINVAL},
                {"1\n", -EINVAL},
                {"18446744073709551616us", -ERANGE},
                {"18446744073709551615s", -ERANGE},
                {"99999999999999999999999999", -ERANGE},
                {"18446744073709551615us 1us", -ERANGE},
                {"30500569w", -ERANGE},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 1234;

                assert_int_equal(timespan_parse(cases[i].text, &usec), cases[i].error);
                assert_int_equal(usec, 1234);
        }
}

static void test_to_string(void **state) {
        static const uint64_t values[] = {
                1, 999, 1000, 1000000, 90000000, UINT64_C(5400000000), UINT64_MAX, UINT64_MAX - 1,
        };
        char buf[TIMESPAN_TEXT_SIZE];

        assert_string_equal(timespan_to_string(0, buf), "0");
        assert_string_equal(timespan_to_string(UINT64_C(5400000000), buf), "1h 30min");
        assert_string_equal(timespan_to_string(UINT64_C(28800000000), buf), "8h");
        assert_string_equal(timespan_to_string(1001000, buf), "1s 1ms");

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                uint64_t usec;

                assert_int_equal(timespan_parse(timespan_to_string(values[i], buf), &usec), 0);
                assert_int_equal(usec, values[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_to_string),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
