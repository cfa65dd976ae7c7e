/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/http-target.h"

static void check(const char *text, const char *expected) {
        char buf[HTTP_PATH_MAX + 3 * HTTP_QUERY_MAX];
        HttpTarget target;
        int r = http_target_parse(text, &target);

        if (expected) {
                assert_int_equal(r, 0);
                assert_int_equal(http_target_format(&target, buf, sizeof(buf)), strlen(expected));
                assert_string_equal(buf, expected);
        } else if (r != -EBADMSG)
                fail_msg("\"%s\" was taken", text);
}

static void test_paths(void **state) {
        HttpTarget target;

        check("/_ping", "/_ping");
        check("/v1.41/containers/json", "/v1.41/containers/json");
        check("/images/docker.io/library/alpine:3.20/json",
              "/images/docker.io/library/alpine:3.20/json");
        check("/a...b/.c", "/a...b/.c");

        assert_int_equal(http_target_parse("/a/b%2Fc", &target), 0);
        assert_int_equal(target.n_parts, 3);
        assert_string_equal(target.parts[0], "a");
        assert_string_equal(target.parts[2], "c");
}

/* A slash that is escaped is a slash, to us and to the service: it gets one. */
static void test_escapes_in_path(void **state) {
        check("/images/docker.io%2Flibrary%2falpine/json", "/images/docker.io/library/alpine/json");
        check("/images/a%40sha256%3Ab/json", "/images/a@sha256:b/json");
        check("/a%2f..%2fb", NULL);
        check("/a%2f%2fb", NULL);
        check("/a%2f", NULL);
        check("%2fa", "/a");
        check("/%2e%2e/a", NULL);
        check("/a%2Eb", NULL);
        check("/%61", NULL);
        check("/%252f", NULL);
        check("/%00", NULL);
        check("/a%2", NULL);
        check("/a%", NULL);
        check("/a%2?x=y", NULL);
        check("/a%zz", NULL);
        check("/a%0a", NULL);
}

static void test_doubled_slash_and_dots(void **state) {
        check("//containers/json", NULL);
        check("/containers//json", NULL);
        check("/containers/json/", NULL);
        check("/", NULL);
        check("/./a", NULL);
        check("/a/.", NULL);
        check("/a/../b", NULL);
        check("/..", NULL);
}

static void test_target_that_is_not_rooted(void **state) {
        check("", NULL);
        check("*", NULL);
        check("containers/json", NULL);
        check("http://docker/containers/json", NULL);
        check("docker:80", NULL);
        check("?a=b", NULL);
}

static void test_characters_in_path(void **state) {
        check("/containers/*/json", NULL);
        for (int c = 1; c < 256; c++) {
                char text[] = {'/', 'a', (char)c, 'b', 0};
                HttpTarget target;
                bool plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "/._-:@",
                                    c);

                if (c != '?')
                        assert_int_equal(http_target_parse(text, &target), plain ? 0 : -EBADMSG);
        }
}

static void test_query(void **state) {
        HttpTarget target;

        check("/a?", "/a");
        check("/a?all=1&size=", "/a?all=1&size=");
        check("/a?f=%7B%22a%22%3A%5B%22b+c%22%5D%7D", "/a?f=%7B%22a%22%3A%5B%22b%20c%22%5D%7D");
        check("/a?f=%c3%a4", "/a?f=%C3%A4");
        check("/a?f=%26%3d%25", "/a?f=%26%3D%25");
        check("/a?f=/:@", "/a?f=%2F%3A%40");

        assert_int_equal(http_target_parse("/a?x=%26y%3Dz", &target), 0);
        assert_int_equal(target.n_parameters, 1);
        assert_string_equal(target.parameters[0].name, "x");
        assert_string_equal(target.parameters[0].value, "&y=z");
}

static void test_malformed_query(void **state) {
        static const char *const queries[] = {
                "a",     "a=b&",  "&a=b",  "a=b&&c=d", "=b",   "a=b&a=c", "a=b;c=d", "%61=b",
                "a b=c", "a=b?",  "a=b#c", "a=%",      "a=%4", "a=%0a",   "a=%00",   "a=%7f",
                "a=%zz", "a=\"b", "a=b=c", "a[]=b",    "a=b|", "a=%1F",
        };

        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "/a?%s", queries[i]);
                check(text, NULL);
        }
}

static void test_sizes(void **state) {
        char text[HTTP_PATH_MAX + HTTP_QUERY_MAX + 16], buf[16];
        HttpTarget target;

        memset(text, 'a', sizeof(text));
        text[0] = '/';
        text[HTTP_PATH_MAX] = 0;
        assert_int_equal(http_target_parse(text, &target), 0);
        assert_int_equal(http_target_format(&target, buf, sizeof(buf)), -EMSGSIZE);
        text[HTTP_PATH_MAX] = 'a';
        text[HTTP_PATH_MAX + 1] = 0;
        assert_int_equal(http_target_parse(text, &target), -EBADMSG);

        memcpy(text, "/?b=", 4);
        text[1] = 'a';
        text[2] = '?';
        text[3] = 'b';
        text[4] = '=';
        memset(text + 5, 'c', sizeof(text) - 5);
        text[3 + HTTP_QUERY_MAX] = 0;
        assert_int_equal(http_target_parse(text, &target), 0);
        text[3 + HTTP_QUERY_MAX] = 'c';
        text[4 + HTTP_QUERY_MAX] = 0;
        assert_int_equal(http_target_parse(text, &target), -EBADMSG);

        check("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16");
        check("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL);
        check("/?", NULL);
        check("/a?a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=&q=", NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_escapes_in_path),
                cmocka_unit_test(test_doubled_slash_and_dots),
                cmocka_unit_test(test_target_that_is_not_rooted),
                cmocka_unit_test(test_characters_in_path),
                cmocka_unit_test(test_query),
                cmocka_unit_test(test_malformed_query),
                cmocka_unit_test(test_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
