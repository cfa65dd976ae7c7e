/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cap-ng.h>
#include <cmocka.h>

#include "common/capabilities.h"

#define WANTED (UINT64_C(1) << CAP_SYSLOG)

/* What is set and left in each of the sets, from the beginning of a process on. */
static int only_in(unsigned sets, bool ambient) {
        Capabilities found;

        capng_clear(CAPNG_SELECT_CAPS);
        if (sets)
                (void)capng_update(CAPNG_ADD, sets, CAP_SYSLOG);
        if (capng_apply(CAPNG_SELECT_CAPS) < 0)
                return 1;
        if (ambient && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYSLOG, 0, 0) < 0)
                return 2;
        if (capabilities_read(&found) < 0)
                return 3;
        if (found.held != (sets ? WANTED : 0))
                return 4;
        if (found.effective != (sets & CAPNG_EFFECTIVE ? WANTED : 0))
                return 5;
        /* What could come back is another question. */
        return found.bounding & WANTED ? 0 : 6;
}

static void assert_only_in(unsigned sets, bool ambient) {
        int status = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(only_in(sets, ambient));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* No set of them escapes notice. */
static void test_each_set(void **state) {
        if (getuid() != 0)
                skip();

        assert_only_in(0, false);
        assert_only_in(CAPNG_PERMITTED, false);
        assert_only_in(CAPNG_INHERITABLE, false);
        assert_only_in(CAPNG_EFFECTIVE | CAPNG_PERMITTED, false);
        assert_only_in(CAPNG_PERMITTED | CAPNG_INHERITABLE, true);
}

/* A user's process has none, but in what it could execute. */
static void test_user(void **state) {
        Capabilities found;

        if (getuid() == 0)
                skip();

        assert_int_equal(capabilities_read(&found), 0);
        assert_true(found.effective == 0 && found.held == 0);
}

static int drop_bounding(void) {
        Capabilities found;

        if (prctl(PR_CAPBSET_DROP, CAP_SYSLOG, 0, 0, 0) < 0)
                return 1;
        return capabilities_read(&found) < 0 || (found.bounding & WANTED) || !(found.held & WANTED);
}

static void test_bounding(void **state) {
        int status = -1;
        pid_t pid;

        if (getuid() != 0)
                skip();

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(drop_bounding());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_set),
                cmocka_unit_test(test_user),
                cmocka_unit_test(test_bounding),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
