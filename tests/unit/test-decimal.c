/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/decimal.h"

static void check(uint64_t value) {
        char buf[DECIMAL_SIZE + 1], expected[DECIMAL_SIZE + 1];

        (void)snprintf(expected, sizeof(expected), "%" PRIu64, value);
        buf[DECIMAL_SIZE] = '#';
        assert_string_equal(decimal_format(value, buf), expected);
        assert_int_equal(buf[DECIMAL_SIZE], '#');
}

/* Around each number of digits that there can be. */
static void test_format(void **state) {
        for (uint64_t value = 1; value <= UINT64_MAX / 10; value *= 10) {
                check(value - 1);
                check(value);
                check(value * 10 - 1);
        }
        check(UINT64_C(10000000000000000000));
        check(UINT64_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
