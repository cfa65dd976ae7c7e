/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/escape.h"

static void check_decode(const char *text, const char *expected) {
        char buf[64];

        (void)snprintf(buf, sizeof(buf), "%s", text);
        if (expected) {
                assert_int_equal(escape_decode(buf), 0);
                assert_string_equal(buf, expected);
        } else
                assert_int_equal(escape_decode(buf), -EINVAL);
}

static void test_decode(void **state) {
        check_decode("", "");
        check_decode("plain", "plain");
        check_decode("%41", "A");
        check_decode("a%2Fb%2fc", "a/b/c");
        check_decode("%20%09%0A%7f%ff", " \t\n\x7f\xff");
        /* Once, and a plus is a plus. */
        check_decode("%2541", "%41");
        check_decode("%25%34%31", "%41");
        check_decode("a+b", "a+b");

        check_decode("%", NULL);
        check_decode("%4", NULL);
        check_decode("a%4", NULL);
        check_decode("%4g", NULL);
        check_decode("%g4", NULL);
        check_decode("%%41", NULL);
        check_decode("% 41", NULL);
        check_decode("%-1", NULL);
        check_decode("a%00b", NULL);
}

static void test_encode(void **state) {
        char buf[ESCAPE_SIZE(64)];

        assert_string_equal(escape_encode("", 64, buf), "");
        assert_string_equal(escape_encode("/a-b._c~+9Z", 64, buf), "/a-b._c~+9Z");
        assert_string_equal(escape_encode("a b&c=d?e#f%", 64, buf), "a%20b%26c%3Dd%3Fe%23f%25");
        assert_string_equal(escape_encode("\n\x7f\xc3\xa9", 64, buf), "%0A%7F%C3%A9");
        /* No further than told. */
        assert_string_equal(escape_encode("abcdef", 3, buf), "abc");
}

/* Each byte comes back, and what is written is of a URI. */
static void test_round_trip(void **state) {
        for (int c = 1; c < 256; c++) {
                const char text[] = {'a', (char)c, 'b', 0};
                char buf[ESCAPE_SIZE(3)];

                (void)escape_encode(text, 3, buf);
                assert_int_equal(strspn(buf, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789-._~/+%"),
                                 strlen(buf));
                assert_int_equal(escape_decode(buf), 0);
                assert_string_equal(buf, text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decode),
                cmocka_unit_test(test_encode),
                cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
