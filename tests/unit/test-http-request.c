/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/http-request.h"

static int parse(const char *start, const char *fields, HttpRequest *ret) {
        const char *method, *target;
        char text[1024];
        int n;

        n = snprintf(text, sizeof(text), "%s\r\n%s\r\n", start, fields);
        return http_request_parse(text, (size_t)n, ret, &method, &target);
}

static int parse_fields(const char *fields) {
        HttpRequest request;
        char all[512];

        (void)snprintf(all, sizeof(all), "Host: d\r\n%s", fields);
        return parse("GET /_ping HTTP/1.1", all, &request);
}

static int parse_start(const char *start) {
        HttpRequest request;

        return parse(start, "Host: d\r\n", &request);
}

/* Nothing of what the client sent is in what the service gets, but for what was judged. */
static void test_written_anew(void **state) {
        char buf[HTTP_REQUEST_MAX];
        HttpRequest request;

        assert_int_equal(parse("GET /v1.41/a%2Fb?x=y+z HTTP/1.1",
                               "hOsT: evil\r\nUser-Agent: me\r\nX-Registry-Auth: secret\r\n"
                               "Connection: close\r\nCookie: a\r\nAccept-Encoding: gzip\r\n"
                               "If-None-Match: a\r\nRange: bytes=0-1\r\nContent-Length: 0\r\n",
                               &request),
                         0);
        assert_true(http_request_format(&request, buf, sizeof(buf)) > 0);
        assert_string_equal(buf, "GET /v1.41/a/b?x=y%20z HTTP/1.1\r\n"
                                 "Host: doorward\r\n"
                                 "User-Agent: doorward-filter\r\n"
                                 "Accept: application/json\r\n"
                                 "Accept-Encoding: identity\r\n"
                                 "\r\n");
        assert_int_equal(http_request_format(&request, buf, 40), -EMSGSIZE);
        assert_true(request.closes);
        assert_false(request.head);

        assert_int_equal(parse("HEAD /_ping HTTP/1.1", "Host: d\r\n", &request), 0);
        assert_true(request.head);
        assert_false(request.closes);
        assert_true(http_request_format(&request, buf, sizeof(buf)) > 0);
        assert_int_equal(strncmp(buf, "HEAD /_ping HTTP/1.1\r\n", 22), 0);
}

static void test_method(void **state) {
        static const char *const methods[] = {
                "POST",    "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
                "CONNECT", "get", "Head",   "GETX",  "PRI",
        };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                char start[64];

                (void)snprintf(start, sizeof(start), "%s /_ping HTTP/1.1", methods[i]);
                assert_int_equal(parse_start(start), HTTP_REQUEST_E_METHOD);
        }
}

static void test_start_line(void **state) {
        static const char *const starts[] = {
                "",
                "GET",
                "GET /_ping",
                "GET  /_ping HTTP/1.1",
                "GET /_ping  HTTP/1.1",
                "GET /_ping HTTP/1.1 ",
                " GET /_ping HTTP/1.1",
                "GET\t/_ping\tHTTP/1.1",
                "GET /_ping\tHTTP/1.1 HTTP/1.1",
                "GET /_ping HTTP/1.1 HTTP/1.1",
                "G(T /_ping HTTP/1.1",
        };
        static const char *const versions[] = {
                "GET /_ping HTTP/1.0",  "GET /_ping HTTP/2.0", "GET /_ping HTTP/0.9",
                "GET /_ping HTTP/1.10", "GET /_ping http/1.1", "GET /_ping HTTP/1,1",
        };

        for (size_t i = 0; i < ELEMENTSOF(starts); i++)
                assert_int_equal(parse_start(starts[i]), HTTP_REQUEST_E_MALFORMED);
        for (size_t i = 0; i < ELEMENTSOF(versions); i++)
                assert_int_equal(parse_start(versions[i]), HTTP_REQUEST_E_VERSION);
        assert_int_equal(parse_start("GET /a//b HTTP/1.1"), HTTP_REQUEST_E_TARGET);
}

static void test_host(void **state) {
        HttpRequest request;

        assert_int_equal(parse("GET /_ping HTTP/1.1", "", &request), HTTP_REQUEST_E_MALFORMED);
        assert_int_equal(parse_fields("Host: d\r\n"), HTTP_REQUEST_E_MALFORMED);
}

/* A body that the service would take for the query's better half. */
static void test_body(void **state) {
        assert_int_equal(parse_fields("Content-Length: 0\r\n"), 0);
        assert_int_equal(parse_fields("Content-Length: 1\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: 2000000\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: 0\r\nContent-Length: 0\r\n"),
                         HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: 0, 0\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: +0\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: 00\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length:\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Type: application/x-www-form-urlencoded\r\n"
                                      "Content-Length: 5\r\n"),
                         HTTP_REQUEST_E_BODY);
}

static void test_smuggling(void **state) {
        assert_int_equal(parse_fields("Transfer-Encoding: chunked\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Transfer-Encoding: identity\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Transfer-Encoding:\r\n"), HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("transfer-encoding: x\r\nContent-Length: 0\r\n"),
                         HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
                         HTTP_REQUEST_E_BODY);
        assert_int_equal(parse_fields("Transfer-Encoding : chunked\r\n"), HTTP_REQUEST_E_MALFORMED);
        assert_int_equal(parse_fields("X: y\r\n Transfer-Encoding: chunked\r\n"),
                         HTTP_REQUEST_E_MALFORMED);
}

static void test_upgrade(void **state) {
        assert_int_equal(parse_fields("Upgrade: tcp\r\n"), HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Upgrade: websocket\r\nConnection: Upgrade\r\n"),
                         HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Connection: upgrade\r\n"), HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Connection: keep-alive, upgrade\r\n"),
                         HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Connection: close\r\nConnection: upgrade\r\n"),
                         HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Connection: X-Y\r\n"), HTTP_REQUEST_E_UPGRADE);
        assert_int_equal(parse_fields("Connection: keep-alive, close\r\n"), 0);
        assert_int_equal(parse_fields("Connection: a b\r\n"), HTTP_REQUEST_E_MALFORMED);
        assert_int_equal(parse_fields("Expect: 100-continue\r\n"), HTTP_REQUEST_E_EXPECT);
}

/* What is said of a refused one. */
static void test_what_it_was(void **state) {
        char text[] = "POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\n\r\n";
        char bad[] = "POST\r\n\r\n";
        const char *method, *target;
        HttpRequest request;

        assert_int_equal(http_request_parse(text, sizeof(text) - 1, &request, &method, &target),
                         HTTP_REQUEST_E_METHOD);
        assert_string_equal(method, "POST");
        assert_string_equal(target, "/containers/create?name=x");
        assert_int_equal(http_request_parse(bad, sizeof(bad) - 1, &request, &method, &target),
                         HTTP_REQUEST_E_MALFORMED);
        assert_string_equal(method, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_written_anew), cmocka_unit_test(test_method),
                cmocka_unit_test(test_start_line),   cmocka_unit_test(test_host),
                cmocka_unit_test(test_body),         cmocka_unit_test(test_smuggling),
                cmocka_unit_test(test_upgrade),      cmocka_unit_test(test_what_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
