/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/table.h"
#include "cli/text.h"

static char *table_text(const Table *table, bool legend, int *ret) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        assert_non_null(f);
        *ret = table_print(table, legend, f);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void assert_table(const Table *table, bool legend, const char *expected) {
        _cleanup_free_ char *text = NULL;
        int r;

        text = table_text(table, legend, &r);
        assert_int_equal(r, 0);
        assert_string_equal(text, expected);
}

static void test_columns(void **state) {
        _cleanup_(table_deinit) Table table;

        table_init(&table, 3);
        table_add(&table, "NAME");
        table_add(&table, "RO");
        table_add(&table, "TEXT");
        table_add(&table, "docker");
        table_add(&table, "password");
        table_addf(&table, "%s %d", "x", 7);
        table_add(&table, "a");
        table_add(&table, NULL);
        table_add(&table, "");

        assert_table(&table, true,
                     "NAME   RO       TEXT\n"
                     "docker password x 7\n"
                     "a      -        -\n");
        /* Headings do not count where they are not shown. */
        assert_table(&table, false,
                     "docker password x 7\n"
                     "a      -        -\n");
}

static void test_no_rows(void **state) {
        _cleanup_(table_deinit) Table table;

        table_init(&table, 2);
        table_add(&table, "A");
        table_add(&table, "B");
        assert_table(&table, true, "A B\n");
        assert_table(&table, false, "");
}

static void test_incomplete(void **state) {
        _cleanup_(table_deinit) Table table;
        _cleanup_free_ char *text = NULL;
        int r;

        table_init(&table, 2);
        table_add(&table, "A");
        text = table_text(&table, true, &r);
        assert_int_equal(r, -ENOMEM);
        assert_string_equal(text, "");
}

static void test_widths(void **state) {
        _cleanup_(table_deinit) Table table;

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();

        table_init(&table, 2);
        table_add(&table, "a");
        table_add(&table, "1");
        table_add(&table, "gr\xc3\xbc\xc3\x9f"); /* four characters in six bytes */
        table_add(&table, "2");
        table_add(&table, "\xe6\x97\xa5"); /* one, two columns wide */
        table_add(&table, "3");
        assert_table(&table, true,
                     "a    1\n"
                     "gr\xc3\xbc\xc3\x9f 2\n"
                     "\xe6\x97\xa5   3\n");
}

static void assert_escaped(const char *text, const char *expected) {
        _cleanup_free_ char *escaped = text_escape(text);

        assert_non_null(escaped);
        assert_string_equal(escaped, expected);
}

static void test_escape(void **state) {
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();

        assert_escaped("", "");
        assert_escaped("plain text", "plain text");
        assert_escaped("a\nb\tc", "a b c");
        assert_escaped("\033[31mred\033[0m", "?[31mred?[0m");
        assert_escaped("bell\a\r\b\x7f", "bell????");
        assert_escaped("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
        /* C1 controls are characters of UTF-8, and obeyed by some terminals. */
        assert_escaped("x\xc2\x9by", "x??y");
        /* Cut, overlong, and plain wrong. */
        assert_escaped("\xc3", "?");
        assert_escaped("\xc0\xaf", "??");
        assert_escaped("\xff\xfe", "??");
        assert_escaped("\xed\xa0\x80", "???");
}

static void test_escape_in_c_locale(void **state) {
        assert_non_null(setlocale(LC_CTYPE, "C"));
        assert_escaped("a\xc3\xbc\033", "a???");
}

static void assert_wrapped(const char *text, size_t indent, size_t width, const char *expected) {
        _cleanup_free_ char *made = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&made, &size);
        assert_non_null(f);
        text_print_wrapped(f, text, indent, width);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(made, expected);
}

static void test_wrap(void **state) {
        assert_wrapped("", 0, 10, "\n");
        assert_wrapped("one", 0, 10, "one\n");
        assert_wrapped("one two three", 0, 10, "one two\nthree\n");
        assert_wrapped("one two three", 0, 7, "one two\nthree\n");
        assert_wrapped("one two three", 2, 9, "one two\n  three\n");
        assert_wrapped("unbreakably long", 0, 5, "unbreakably\nlong\n");
        assert_wrapped("  spaces   between  ", 0, 40, "spaces between\n");
        assert_wrapped("line\nbreak", 0, 40, "line break\n");
}

static void assert_quoted(const char *text, const char *expected) {
        _cleanup_free_ char *made = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&made, &size);
        assert_non_null(f);
        text_print_quoted(f, text);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(made, expected);
}

static void test_quote(void **state) {
        assert_quoted("", "\"\"");
        assert_quoted("bob", "\"bob\"");
        assert_quoted("DOMAIN\\bob", "\"DOMAIN\\\\bob\"");
        assert_quoted("a\"b'c", "\"a\\\"b'c\"");
        assert_quoted("a\nb\x01\x7f", "\"a\\u000ab\\u0001\\u007f\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns),    cmocka_unit_test(test_no_rows),
                cmocka_unit_test(test_incomplete), cmocka_unit_test(test_widths),
                cmocka_unit_test(test_escape),     cmocka_unit_test(test_escape_in_c_locale),
                cmocka_unit_test(test_wrap),       cmocka_unit_test(test_quote),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
