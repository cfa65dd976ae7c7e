/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/docker-filters.h"

static void test_harmless(void **state) {
        static const char *const texts[] = {
                "",
                "null",
                "{}",
                "{\"status\":[]}",
                "{\"status\":{}}",
                "{\"status\":[\"running\",\"exited\"],\"name\":[\"a b\"]}",
                "{\"label\":{\"com.docker.compose.project\":true},\"name\":{\"a\":true}}",
                "{\"reference\":[\"a=b\"]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_true(docker_filters_are_harmless(texts[i]));
}

/* Whoever may ask whether it is a certain one finds it out. */
static void test_values_of_labels(void **state) {
        assert_false(docker_filters_are_harmless("{\"label\":[\"a=b\"]}"));
        assert_false(docker_filters_are_harmless("{\"label\":{\"a=b\":true}}"));
        assert_false(docker_filters_are_harmless("{\"name\":[\"a\"],\"label\":[\"a\",\"a=b\"]}"));
        assert_false(docker_filters_are_harmless("{\"label!\":[\"a\"]}"));
        assert_false(docker_filters_are_harmless("{\"Label\":[\"a=b\"]}"));
        assert_false(docker_filters_are_harmless("{\"\\u006cabel\":[\"a=b\"]}"));
        assert_false(docker_filters_are_harmless("{\"label\":[\"a\\u003db\"]}"));
        assert_false(docker_filters_are_harmless("{\"command\":[\"a\"]}"));
        assert_false(docker_filters_are_harmless("{\"opt\":[\"a\"]}"));
        assert_true(docker_filters_are_harmless("{\"event\":[\"exec_create\",\"health_status\"]}"));
        assert_false(docker_filters_are_harmless("{\"event\":[\"exec_create: mysql\"]}"));
        assert_false(docker_filters_are_harmless("{\"event\":{\"exec_create: m\":true}}"));
}

static void test_malformed(void **state) {
        static const char *const texts[] = {
                "[]",
                "{",
                "{}x",
                "{\"name\"}",
                "{\"name\":}",
                "{\"name\":\"a\"}",
                "{\"name\":[\"a\"}",
                "{\"name\":[\"a\"],}",
                "{\"name\":[\"a\",]}",
                "{\"name\":{\"a\":false}}",
                "{\"name\":{\"a\"}}",
                "{\"name\":[\"a}",
                "{\"name\":[1]}",
                "{ }",
                "{\"name\":[\"a\"]} ",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_false(docker_filters_are_harmless(texts[i]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_harmless),
                cmocka_unit_test(test_values_of_labels),
                cmocka_unit_test(test_malformed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
