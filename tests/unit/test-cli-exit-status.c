/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/exit-status.h"
#include "client/doorward.h"

/* As doorward(1) lists them: they may not change. */
static void test_documented(void **state) {
        static const struct {
                int code, status;
        } table[] = {
                {DOORWARD_ERR_OK, 0},
                {DOORWARD_ERR_SYSTEM, 1},
                {DOORWARD_ERR_INVALID_ARG, 2},
                {DOORWARD_ERR_BAD_URI, 2},
                {DOORWARD_ERR_INVALID_CONN, 83},
                {DOORWARD_ERR_UNSUPPORTED, 85},
                {DOORWARD_ERR_NO_BROKER, 86},
                {DOORWARD_ERR_PROTOCOL, 87},
                {DOORWARD_ERR_NO_ENDPOINT, 88},
                {DOORWARD_ERR_ACCESS_UNSUPPORTED, 89},
                {DOORWARD_ERR_DENIED, 90},
                {DOORWARD_ERR_AUTH_NEEDED, 91},
                {DOORWARD_ERR_AUTH_FAILED, 92},
                {DOORWARD_ERR_AUTH_CANCELLED, 93},
                {DOORWARD_ERR_AUTH_UNAVAILABLE, 94},
                {DOORWARD_ERR_POLICY_UNAVAILABLE, 95},
                {DOORWARD_ERR_ENDPOINT_DOWN, 96},
                {DOORWARD_ERR_LIMIT, 97},
                {DOORWARD_ERR_TIMEOUT, 98},
                {DOORWARD_ERR_NO_LEASE, 99},
                {DOORWARD_ERR_LEASE_ENDED, 100},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_int_equal(exit_status_of_class(table[i].code), table[i].status);
        assert_int_equal(EXIT_STATUS_DEFINITION, 80);
}

/* Whatever class a later library makes up: no success, and nothing that env(1), timeout(1) or a
 * signal means. */
static void test_unknown(void **state) {
        for (int code = -10; code < 1000; code++) {
                int status = exit_status_of_class(code);

                if (code != DOORWARD_ERR_OK)
                        assert_true(status > 0 && status < 125);
        }
        assert_int_equal(exit_status_of_class(INT_MAX), 1);
        assert_int_equal(exit_status_of_class(INT_MIN), 1);
}

static void assert_process(int number, int expected) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (number < 0) {
                        (void)signal(-number, SIG_DFL);
                        (void)raise(-number);
                }
                _exit(number);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(exit_status_of_process(status), expected);
}

static void test_process(void **state) {
        assert_process(0, 0);
        assert_process(1, 1);
        assert_process(90, 90);
        assert_process(255, 255);
        assert_process(-SIGTERM, 143);
        assert_process(-SIGKILL, 137);
        assert_process(-SIGINT, 130);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_documented),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
