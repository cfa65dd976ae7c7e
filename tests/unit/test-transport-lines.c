/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helpers/transport-lines.h"

static char heard[8192];

static void hear(const char *line, void *userdata) {
        unsigned *n = userdata;

        (*n)++;
        if (strlen(heard) + strlen(line) + 2 < sizeof(heard))
                (void)strcat(strcat(heard, line), "|");
}

static void check(const char *text, size_t size, const char *lines, const char *joined) {
        char buf[TRANSPORT_TEXT_MAX + 1];
        Lines all = {};
        unsigned n = 0;

        heard[0] = 0;
        /* However it is cut into pieces. */
        for (size_t i = 0; i < size; i++)
                lines_add(&all, text + i, 1, hear, &n);
        lines_end(&all, hear, &n);
        lines_join(&all, buf);
        assert_string_equal(heard, lines);
        assert_string_equal(buf, joined);
}

#define CHECK(text, lines, joined) check(text, sizeof(text) - 1, lines, joined)

static void test_lines(void **state) {
        CHECK("", "", "");
        CHECK("\n\r\n \n", "", "");
        CHECK("one", "one|", "one");
        CHECK("one\r\ntwo\n", "one|two|", "one; two");
        CHECK("1\n2\n3\n4\n5", "1|2|3|4|5|", "3; 4; 5");
        CHECK("1\n{\"ended\":\"x\"}\n2\n", "1|{\"ended\":\"x\"}|2|", "1; 2");
        CHECK("a\0b\n", "a?b|", "a?b");
        CHECK("\033[31mred\n", "\033[31mred|", "?[31mred");
}

static void test_long_lines(void **state) {
        char text[3 * TRANSPORT_TEXT_MAX], buf[TRANSPORT_TEXT_MAX + 1];
        Lines all = {};
        unsigned n = 0;

        heard[0] = 0;
        memset(text, 'x', sizeof(text));
        for (int i = 0; i < 5; i++) {
                lines_add(&all, text, sizeof(text), hear, &n);
                lines_add(&all, "\n", 1, hear, &n);
        }
        lines_join(&all, buf);
        assert_int_equal(n, 5);
        assert_int_equal(strlen(heard), 5 * (TRANSPORT_TEXT_MAX + 1));
        assert_int_equal(strlen(buf), LINES_KEPT * LINES_KEPT_TEXT + 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_long_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
