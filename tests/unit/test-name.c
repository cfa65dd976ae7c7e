/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "common/name.h"

#define NAME_48 "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijk"
#define NAME_64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

static const char *const good_endpoints[] = {
        "docker", "a", "0", "7zip", "a-", "a--b", "ro", "rock", "roa-x", "r-o", NAME_48, "a0-b1-c2",
};

static const char *const bad_endpoints[] = {
        "",     "-",   "-a",  "ro-", "ro-docker", "ro--",  "Docker",    "dOcker", "docker.",   ".",
        "..",   "a.b", "a_b", "a b", "a/b",       "/",     "a@b",       "@",      "a\n",       "\n",
        "a\tb", "a%b", "a:b", "a=b", "a*",        "a\x7f", "a\xc3\xa9", "\xff",   NAME_48 "x",
};

static const char *const good_instances[] = {
        "ttyUSB0", "a", ".a", "a.", "...", "-", "_", "-rf", "..a", "0", NAME_64, "by-id",
};

static const char *const bad_instances[] = {
        "",    ".",   "..",  "/",   "a/b",  "../x", "a@b",      "@",
        "a b", "a\n", "a%i", "a:b", "a\\b", "a~",   "\xc3\xa9", NAME_64 "x",
};

static void test_endpoints(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good_endpoints); i++)
                if (!name_is_valid_endpoint(good_endpoints[i]))
                        fail_msg("refused: %s", good_endpoints[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad_endpoints); i++)
                if (name_is_valid_endpoint(bad_endpoints[i]))
                        fail_msg("taken: %s", bad_endpoints[i]);
}

static void test_instances(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good_instances); i++)
                if (!name_is_valid_instance(good_instances[i]))
                        fail_msg("refused: %s", good_instances[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad_instances); i++)
                if (name_is_valid_instance(bad_instances[i]))
                        fail_msg("taken: %s", bad_instances[i]);
}

/* Every byte, in every place. */
static void test_alphabets(void **state) {
        for (int c = 1; c < 256; c++) {
                bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
                bool digit = c >= '0' && c <= '9';
                const char first[] = {(char)c, 'x', 0}, last[] = {'x', (char)c, 0};

                assert_int_equal(name_is_valid_endpoint(first), lower || digit);
                assert_int_equal(name_is_valid_endpoint(last), lower || digit || c == '-');
                assert_int_equal(name_is_valid_instance(first),
                                 lower || upper || digit || strchr("._-", c) != NULL);
                assert_int_equal(name_is_valid_instance(last),
                                 lower || upper || digit || strchr("._-", c) != NULL);
        }
}

static void check_parse(const char *text, bool good) {
        Name name = {.endpoint = "untouched"};
        char buf[NAME_TEXT_SIZE];

        assert_int_equal(name_parse(text, &name), good ? 0 : -EINVAL);
        if (good)
                assert_string_equal(name_to_string(&name, buf), text);
        else
                assert_string_equal(name.endpoint, "untouched");
}

static void test_parse(void **state) {
        char text[300];

        for (size_t i = 0; i < ELEMENTSOF(good_endpoints); i++) {
                check_parse(good_endpoints[i], true);
                for (size_t j = 0; j < ELEMENTSOF(good_instances); j++) {
                        (void)snprintf(text, sizeof(text), "%s@%s", good_endpoints[i],
                                       good_instances[j]);
                        check_parse(text, true);
                }
                for (size_t j = 0; j < ELEMENTSOF(bad_instances); j++) {
                        (void)snprintf(text, sizeof(text), "%s@%s", good_endpoints[i],
                                       bad_instances[j]);
                        check_parse(text, false);
                }
        }

        for (size_t i = 0; i < ELEMENTSOF(bad_endpoints); i++) {
                /* "a@b" is an instance of a. */
                check_parse(bad_endpoints[i], streq(bad_endpoints[i], "a@b"));
                (void)snprintf(text, sizeof(text), "%s@x", bad_endpoints[i]);
                check_parse(text, false);
        }

        memset(text, 'a', sizeof(text));
        text[sizeof(text) - 1] = 0;
        check_parse(text, false);
        text[100] = '@';
        check_parse(text, false);
}

static void test_longest(void **state) {
        char buf[NAME_TEXT_SIZE];
        Name name;

        assert_int_equal(strlen(NAME_48), NAME_ENDPOINT_MAX);
        assert_int_equal(strlen(NAME_64), NAME_INSTANCE_MAX);
        assert_int_equal(name_parse(NAME_48 "@" NAME_64, &name), 0);
        assert_int_equal(strlen(name_to_string(&name, buf)), NAME_TEXT_SIZE - 1);
        assert_string_equal(name.endpoint, NAME_48);
        assert_string_equal(name.instance, NAME_64);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_endpoints), cmocka_unit_test(test_instances),
                cmocka_unit_test(test_alphabets), cmocka_unit_test(test_parse),
                cmocka_unit_test(test_longest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
