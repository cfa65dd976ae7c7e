/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/http-answer.h"

static int parse(const char *start, const char *fields, bool to_head, HttpAnswer *ret) {
        static char text[1024];
        int n = snprintf(text, sizeof(text), "%s\r\n%s\r\n", start, fields);

        return http_answer_parse(text, (size_t)n, to_head, ret);
}

static int parse_fields(const char *fields, HttpAnswer *ret) {
        return parse("HTTP/1.1 200 OK", fields, false, ret);
}

static void test_status(void **state) {
        static const char *const malformed[] = {
                "",
                "HTTP/1.0 200 OK",
                "HTTP/1.1  200",
                "HTTP/1.1 20",
                "HTTP/1.1 2000",
                "HTTP/1.1 099 A",
                "HTTP/2 200",
                "200 OK",
        };
        HttpAnswer answer;

        assert_int_equal(parse("HTTP/1.1 404 Not Found", "", false, &answer), 0);
        assert_int_equal(answer.status, 404);
        assert_int_equal(parse("HTTP/1.1 200", "", false, &answer), 0);
        for (size_t i = 0; i < ELEMENTSOF(malformed); i++)
                assert_int_equal(parse(malformed[i], "", false, &answer), -EBADMSG);
        assert_int_equal(parse("HTTP/1.1 100 Continue", "", false, &answer), -EPROTONOSUPPORT);
        assert_int_equal(parse("HTTP/1.1 101 UPGRADED", "", false, &answer), -EPROTONOSUPPORT);
}

static void test_gzip(void **state) {
        HttpAnswer answer;

        assert_int_equal(parse_fields("Content-Encoding: gzip\r\n", &answer), -EPROTONOSUPPORT);
        assert_int_equal(parse_fields("content-encoding: br\r\n", &answer), -EPROTONOSUPPORT);
        assert_int_equal(
                parse_fields("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", &answer),
                -EPROTONOSUPPORT);
        assert_int_equal(parse_fields("Content-Encoding: identity, gzip\r\n", &answer),
                         -EPROTONOSUPPORT);
        assert_int_equal(parse_fields("Content-Encoding: identity\r\n", &answer), 0);
        assert_int_equal(parse_fields("Transfer-Encoding: gzip, chunked\r\n", &answer), -EBADMSG);
        assert_int_equal(parse_fields("Upgrade: tcp\r\n", &answer), -EPROTONOSUPPORT);
}

static void test_frame(void **state) {
        static const char *const malformed[] = {
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                "Content-Length: 1\r\nContent-Length: 1\r\n",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "Content-Length: -1\r\n",
                "Content-Length: 0x1\r\n",
                "Content-Length: 1, 1\r\n",
                "Content-Length: 1000000000000000000\r\n",
                "Content-Length:\r\n",
                "Transfer-Encoding: identity\r\n",
        };
        HttpAnswer answer;

        for (size_t i = 0; i < ELEMENTSOF(malformed); i++)
                assert_int_equal(parse_fields(malformed[i], &answer), -EBADMSG);
        assert_int_equal(parse_fields("Content-Length: 999999999999999999\r\n", &answer), 0);
        assert_int_equal(answer.body.frame, HTTP_FRAME_LENGTH);
        assert_int_equal(parse_fields("Content-Length: 0\r\n", &answer), 0);
        assert_true(http_body_is_done(&answer.body));
        assert_int_equal(parse_fields("Transfer-Encoding: CHUNKED\r\n", &answer), 0);
        assert_int_equal(answer.body.frame, HTTP_FRAME_CHUNKED);
        assert_int_equal(parse_fields("Connection: close\r\n", &answer), 0);
        assert_int_equal(answer.body.frame, HTTP_FRAME_CLOSE);
        assert_true(answer.closes);
}

/* No body comes, whatever is said of it. */
static void test_head_and_304(void **state) {
        HttpAnswer answer;

        assert_int_equal(parse("HTTP/1.1 200 OK", "Content-Length: 5\r\n", true, &answer), 0);
        assert_true(http_body_is_done(&answer.body));
        assert_int_equal(
                parse("HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", false, &answer), 0);
        assert_true(http_body_is_done(&answer.body));
        assert_int_equal(parse("HTTP/1.1 204 No Content", "", false, &answer), 0);
        assert_true(http_body_is_done(&answer.body));
}

/* What the body's pieces are, put together, if it comes in pieces of n; NULL if it is malformed. */
static const char *collect(const char *fields, const char *data, size_t n) {
        static char buf[4096];
        size_t used = 0, size = strlen(data);
        HttpAnswer answer;

        assert_int_equal(parse_fields(fields, &answer), 0);
        for (size_t i = 0; i < size && !http_body_is_done(&answer.body);) {
                const char *piece;
                size_t n_piece, left = size - i < n ? size - i : n;
                ssize_t taken = http_body_take(&answer.body, data + i, left, &piece, &n_piece);

                if (taken < 0)
                        return NULL;
                assert_true(taken > 0);
                if (n_piece > 0)
                        memcpy(buf + used, piece, n_piece);
                used += n_piece;
                i += (size_t)taken;
        }
        buf[used] = 0;
        if (http_body_hang_up(&answer.body) < 0)
                (void)strcat(buf, "…");
        return buf;
}

static void test_bodies(void **state) {
        static const char chunked[] = "Transfer-Encoding: chunked\r\n";

        for (size_t n = 1; n < 64; n++) {
                assert_string_equal(collect("Content-Length: 5\r\n", "hello, you", n), "hello");
                assert_string_equal(collect("Content-Length: 5\r\n", "hell", n), "hell…");
                assert_string_equal(collect("", "hello", n), "hello");
                assert_string_equal(
                        collect(chunked, "5\r\nhello\r\n1;x=\"y\"\r\n!\r\n0\r\n\r\nmore", n),
                        "hello!");
                assert_string_equal(
                        collect(chunked, "005\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", n), "hello");
                assert_string_equal(collect(chunked, "A\r\n0123456789\r\n0\r\n\r", n),
                                    "0123456789…");
        }
}

static void test_malformed_chunks(void **state) {
        static const char *const bodies[] = {
                "\r\n",     "x\r\n",     "-1\r\n",   "0x1\r\n",
                " 1\r\na",  "1 \r\na",   "1\na",     "1\r\nab\r\n",
                "1\r\na\n", "1\r\na\rb", "1;\n",     "0\r\n\n",
                "0\r\na\n", "0\r\na\rb", "0\r\n\rb", "100000000000000000\r\n",
                "1\ra",
        };

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
                if (collect("Transfer-Encoding: chunked\r\n", bodies[i], 100))
                        fail_msg("body %zu was taken", i);
}

/* Of what is not the body's own there is not to be more and more. */
static void test_overhead(void **state) {
        char body[8192] = "1;";

        memset(body + 2, 'x', sizeof(body) - 3);
        assert_null(collect("Transfer-Encoding: chunked\r\n", body, sizeof(body)));
        memset(body, '0', sizeof(body) - 1);
        assert_null(collect("Transfer-Encoding: chunked\r\n", body, sizeof(body)));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_status),   cmocka_unit_test(test_gzip),
                cmocka_unit_test(test_frame),    cmocka_unit_test(test_head_and_304),
                cmocka_unit_test(test_bodies),   cmocka_unit_test(test_malformed_chunks),
                cmocka_unit_test(test_overhead),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
