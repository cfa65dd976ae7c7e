/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/environment.h"
#include "policy/strv.h"

#define PATH "/run/user/1/doorward/run-1/.s.PGSQL.5432"
#define FULL "[Full]\nConnectStream=/run/x\n[Client]\n"

static char **environment_of(const char *lines, char **environment) {
        _cleanup_(definition_freep) Definition *definition = NULL;
        _cleanup_free_ char *text = strv_format(FULL "%s", lines);

        assert_int_equal(definition_parse("x", "x.conf", text, &definition), 0);
        assert_int_equal(environment_add(&environment, definition, PATH), 0);
        return environment;
}

static void test_expanded(void **state) {
        char **environment;

        environment = environment_of("Environment=A=%s\nEnvironment=B=unix://%s?x=%%s&y=%d\n"
                                     "Environment=C=\nEnvironment=D=%%%%%d%s\n",
                                     NULL);
        assert_int_equal(strv_length(environment), 4);
        assert_string_equal(environment[0], "A=" PATH);
        assert_string_equal(environment[1], "B=unix://" PATH "?x=%s&y=/run/user/1/doorward/run-1");
        assert_string_equal(environment[2], "C=");
        assert_string_equal(environment[3], "D=%%/run/user/1/doorward/run-1" PATH);
        strv_free(environment);
}

/* The last one counts, whose name is the same and not only begins so. */
static void test_same_name(void **state) {
        char **environment;

        environment = environment_of("Environment=A=1\nEnvironment=AB=2\nEnvironment=A=3\n", NULL);
        environment = environment_of("Environment=AB=4\nEnvironment=B=5\n", environment);
        assert_int_equal(strv_length(environment), 3);
        assert_string_equal(environment[0], "A=3");
        assert_string_equal(environment[1], "AB=4");
        assert_string_equal(environment[2], "B=5");
        strv_free(environment);
}

/* Of a definition that is not to be believed, and of none, there is nothing. */
static void test_none(void **state) {
        char **environment = NULL;

        assert_null(environment_of("Environment=A=1\nEnvironment=PATH=/x\n", NULL));
        assert_int_equal(environment_add(&environment, NULL, PATH), 0);
        assert_null(environment);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_expanded),
                cmocka_unit_test(test_same_name),
                cmocka_unit_test(test_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
