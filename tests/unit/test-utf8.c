/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/utf8.h"

static void check(const char *text, size_t max, const char *expected) {
        /* Of exactly its size, so that a sanitizer sees a byte too far. */
        _cleanup_free_ char *copy = strdup(text);

        assert_non_null(copy);
        utf8_clean(copy, max);
        assert_string_equal(copy, expected);

        /* What is clean stays as it is. */
        utf8_clean(copy, max);
        assert_string_equal(copy, expected);
}

static void check_stays(const char *text) {
        check(text, 100, text);
}

static void check_becomes(const char *text, const char *expected) {
        check(text, 100, expected);
}

static void test_good(void **state) {
        check_stays("");
        check_stays("Password for alice: ");
        check_stays(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
        check_stays("Passwort f\303\274r J\303\266rg");
        check_stays("\320\237\320\260\321\200\320\276\320\273\321\214");
        check_stays("\346\234\211\345\212\271");
        check_stays("\360\237\224\221");
        /* The least and the greatest of each length. */
        check_stays("\302\240\337\277");
        check_stays("\340\240\200\355\237\277\356\200\200\357\277\275");
        check_stays("\360\220\200\200\364\217\277\277");
        /* Marks that texts written from right to left need. */
        check_stays("\342\200\216\342\200\217");
}

static void test_white_space(void **state) {
        check_becomes("one\ntwo\tthree\n", "one two three ");
        check_becomes("\r\v\f", "???");
}

/* What a terminal, or whoever reads it, would obey. */
static void test_controls(void **state) {
        char text[2] = {};

        for (int c = 1; c < ' '; c++) {
                text[0] = (char)c;
                check_becomes(text, c == '\n' || c == '\t' ? " " : "?");
        }
        check_becomes("\177", "?");
        check_becomes("\033[2J\033]0;x\a", "?[2J?]0;x?");
        /* C1, of which one is as good as ESC [ to some. */
        for (int c = 0x80; c <= 0x9f; c++) {
                char wide[3] = {(char)0xc2, (char)c, 0};

                check_becomes(wide, "??");
        }
        check_becomes("a\342\200\250b\342\200\251c", "a???b???c");
        /* What changes the direction in which the rest is shown. */
        for (int c = 0xaa; c <= 0xae; c++) {
                char wide[4] = {(char)0xe2, (char)0x80, (char)c, 0};

                check_becomes(wide, "???");
        }
        for (int c = 0xa6; c <= 0xa9; c++) {
                char wide[4] = {(char)0xe2, (char)0x81, (char)c, 0};

                check_becomes(wide, "???");
        }
        check_stays("\342\200\257\342\201\245\342\201\252");
}

static void test_malformed(void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"\200", "?"},                      /* goes on with nothing */
                {"a\277b", "a?b"},                  /* */
                {"\303", "?"},                      /* ends too soon */
                {"\303x", "?x"},                    /* */
                {"\342\202", "??"},                 /* */
                {"\342\202x", "??x"},               /* */
                {"\360\237\224", "???"},            /* */
                {"\360\237\224x", "???x"},          /* */
                {"\300\200", "??"},                 /* NUL in two bytes */
                {"\301\277", "??"},                 /* too long a form */
                {"\340\237\277", "???"},            /* */
                {"\360\217\277\277", "????"},       /* */
                {"\355\240\200", "???"},            /* a surrogate */
                {"\355\277\277", "???"},            /* */
                {"\364\220\200\200", "????"},       /* beyond Unicode */
                {"\365\200\200\200", "????"},       /* */
                {"\370\210\200\200\200", "?????"},  /* five bytes */
                {"\376\377", "??"},                 /* */
                {"\303\303\274", "?\303\274"},      /* one that is good comes after it */
                {"\342\202\303\274", "??\303\274"}, /* */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_becomes(cases[i].text, cases[i].expected);
}

static void test_cut(void **state) {
        check("abcdef", 6, "abcdef");
        check("abcdef", 5, "abcde");
        check("abcdef", 0, "");

        /* Never within a character. */
        check("ab\303\274", 4, "ab\303\274");
        check("ab\303\274", 3, "ab");
        check("ab\303\274", 2, "ab");
        check("a\342\202\254", 4, "a\342\202\254");
        check("a\342\202\254", 3, "a");
        check("a\342\202\254", 2, "a");
        check("\360\237\224\221", 3, "");

        /* What is not clean counts as what it becomes. */
        check("ab\001\002", 3, "ab?");
        check("a\303", 1, "a");
        check("a\303", 2, "a?");
}

/* All that there is in three bytes and fewer: what comes out is clean, and not longer. */
static void test_all(void **state) {
        for (uint32_t i = 1; i < 0x1000000; i += i < 0x10000 ? 1 : 7) {
                char text[4] = {(char)(i & 0xff), (char)(i >> 8 & 0xff), (char)(i >> 16), 0},
                     again[4];
                size_t n = strlen(text);

                utf8_clean(text, 3);
                if (strlen(text) != n)
                        fail_msg("%06x", i);
                memcpy(again, text, sizeof(text));
                utf8_clean(again, 3);
                if (memcmp(again, text, sizeof(text)) != 0)
                        fail_msg("%06x", i);
                for (const char *c = text; *c; c++)
                        if ((*c >= 0 && *c < ' ') || *c == 0x7f)
                                fail_msg("%06x", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),     cmocka_unit_test(test_white_space),
                cmocka_unit_test(test_controls), cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_cut),      cmocka_unit_test(test_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
