/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/hex.h"

/* Of all bytes, those that are digits, and no other. */
static void test_value(void **state) {
        static const char digits[] = "0123456789abcdef", capitals[] = "ABCDEF";

        for (int c = -128; c < 128; c++) {
                const char *digit = c ? strchr(digits, c) : NULL;
                const char *capital = c ? strchr(capitals, c) : NULL;

                assert_int_equal(hex_value((char)c), digit     ? digit - digits
                                                     : capital ? capital - capitals + 10
                                                               : -1);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
