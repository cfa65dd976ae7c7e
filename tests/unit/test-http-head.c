/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/http-head.h"

static ssize_t find_end(const char *text) {
        return http_head_find_end(text, strlen(text));
}

static void test_end(void **state) {
        static const char head[] = "GET / HTTP/1.1\r\nHost: d\r\n\r\n";
        char longest[HTTP_HEAD_MAX + 1];

        assert_int_equal(find_end(head), strlen(head));
        for (size_t i = 0; i < strlen(head); i++)
                assert_int_equal(http_head_find_end(head, i), 0);
        assert_int_equal(find_end("GET / HTTP/1.1\r\n\r\nmore"), 18);

        memset(longest, 'a', sizeof(longest));
        assert_int_equal(http_head_find_end(longest, HTTP_HEAD_MAX - 1), 0);
        assert_int_equal(http_head_find_end(longest, HTTP_HEAD_MAX), -EMSGSIZE);
        memcpy(longest + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
        assert_int_equal(http_head_find_end(longest, HTTP_HEAD_MAX), HTTP_HEAD_MAX);
        memcpy(longest + HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
        assert_int_equal(http_head_find_end(longest, HTTP_HEAD_MAX + 1), -EMSGSIZE);
}

/* As soon as it is seen, and not once the head is whole, which it may never be. */
static void test_stray_bytes(void **state) {
        static const char *const heads[] = {
                "GET / HTTP/1.1\n",
                "GET / HTTP/1.1\r\r",
                "GET / HTTP/1.1\rHost",
                "GET / HTTP/1.1\r\nA: b\n",
                "GET /\x80",
                "GET /\x01",
                "GET /\x7f",
        };

        for (size_t i = 0; i < ELEMENTSOF(heads); i++)
                assert_int_equal(find_end(heads[i]), -EBADMSG);
        assert_int_equal(http_head_find_end("GET /\0", 6), -EBADMSG);
}

static void test_fields(void **state) {
        char text[] = "start line\r\nHost: d\r\nX:\t two words \t\r\nhOST:e\r\nEmpty:\r\n\r\n";
        const char *value;
        HttpHead head;

        assert_int_equal(http_head_parse(text, sizeof(text) - 1, &head), 0);
        assert_string_equal(head.start, "start line");
        assert_int_equal(head.n_fields, 4);
        assert_int_equal(http_head_find(&head, "host", &value), 2);
        assert_string_equal(value, "d");
        assert_int_equal(http_head_find(&head, "x", &value), 1);
        assert_string_equal(value, "two words");
        assert_int_equal(http_head_find(&head, "Empty", &value), 1);
        assert_string_equal(value, "");
        assert_int_equal(http_head_find(&head, "Hos", &value), 0);
        assert_null(value);
}

static void test_malformed_fields(void **state) {
        static const char *const fields[] = {
                "Host : d", " Host: d", "\tfolded",  ": d",
                "Host",     "Ho st: d", "H\"ost: d", "(c): d",
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                char text[128];
                HttpHead head;
                int n = snprintf(text, sizeof(text), "GET\r\nA: b\r\n%s\r\n\r\n", fields[i]);

                assert_int_equal(http_head_parse(text, (size_t)n, &head), -EBADMSG);
        }
}

static void test_many_fields(void **state) {
        for (size_t n_fields = HTTP_FIELDS_MAX; n_fields <= HTTP_FIELDS_MAX + 1; n_fields++) {
                char text[1024] = "GET\r\n";
                HttpHead head;

                for (size_t i = 0; i < n_fields; i++)
                        (void)strcat(text, "A: b\r\n");
                (void)strcat(text, "\r\n");
                assert_int_equal(http_head_parse(text, strlen(text), &head),
                                 n_fields == HTTP_FIELDS_MAX ? 0 : -EBADMSG);
        }
}

/* A list yields its words, or is none. */
static void test_list(void **state) {
        const char *list = " close ,\tkeep-alive", *word;
        size_t size;

        assert_int_equal(http_list_next(&list, &word, &size), 0);
        assert_true(http_word_is(word, size, "Close"));
        assert_false(http_word_is(word, size, "clos"));
        assert_int_equal(http_list_next(&list, &word, &size), 0);
        assert_true(http_word_is(word, size, "keep-alive"));
        assert_int_equal(http_list_next(&list, &word, &size), -ENOENT);

        list = "a b";
        assert_int_equal(http_list_next(&list, &word, &size), -EBADMSG);
        list = ",a";
        assert_int_equal(http_list_next(&list, &word, &size), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_end),         cmocka_unit_test(test_stray_bytes),
                cmocka_unit_test(test_fields),      cmocka_unit_test(test_malformed_fields),
                cmocka_unit_test(test_many_fields), cmocka_unit_test(test_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
