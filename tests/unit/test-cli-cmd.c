/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/cmd.h"
#include "cli/exit-status.h"

static void test_parse(void **state) {
        char text[] = "docker=3", *texts[CMD_ENDPOINTS_MAX + 1];
        Argument arguments[CMD_ENDPOINTS_MAX];
        Options options = {};
        size_t n = 77;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                texts[i] = text;
        assert_int_equal(cmd_parse(&options, texts, CMD_ENDPOINTS_MAX + 1, true, arguments, &n),
                         EXIT_STATUS_USAGE);
        assert_int_equal(cmd_parse(&options, texts, 1, false, arguments, &n), EXIT_STATUS_USAGE);
        assert_int_equal(n, 77);

        assert_int_equal(cmd_parse(&options, texts, CMD_ENDPOINTS_MAX, true, arguments, &n), -1);
        assert_int_equal(n, CMD_ENDPOINTS_MAX);
        assert_int_equal(arguments[n - 1].fd, 3);
}

static void test_substitute(void **state) {
        const Argument arguments[] = {{.key = "a"}, {.key = "b"}};
        const char *const values[] = {"1", "2"};
        Options options = {.words = (char *[]){(char[]){"x{a}"}, (char[]){"{b}"}, NULL}};
        char **words = NULL;

        /* Again, as `run` does: nothing is left of the first. */
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(cmd_substitute(&options, arguments, values, 2, &words), -1);
                assert_string_equal(words[0], "x1");
                assert_string_equal(words[1], "2");
                assert_null(words[2]);
        }

        options.words = (char *[]){(char[]){"{}"}, NULL};
        assert_int_equal(cmd_substitute(&options, arguments, values, 2, &words), EXIT_STATUS_USAGE);
        assert_null(words);
}

static int start(char *word) {
        Options options = {};
        Child child = CHILD_NULL;
        ChildSpec spec = {.words = (char *[]){word, NULL}};
        int status = cmd_start(&options, &child, &spec);

        if (status < 0)
                assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
        child_deinit(&child);
        return status;
}

static void test_start(void **state) {
        assert_int_equal(start((char[]){"true"}), -1);
        assert_int_equal(start((char[]){"/nonexistent"}), EXIT_STATUS_NOT_FOUND);
        assert_int_equal(start((char[]){"/"}), EXIT_STATUS_CANNOT_RUN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_substitute),
                cmocka_unit_test(test_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
