/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sched.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/trust.h"
#include "common/textfile.h"

#define WHOLE "         0          0 4294967295\n"
#define ALONE "1000 0 1\n" /* of ALICE */
#define DOORWARD 994
#define ALICE 1000
#define OVERFLOW 65534

#define UNSHARE_FAILED 77 /* where that is forbidden */

enum { REFUSED, CERTAIN, UNCERTAIN };

typedef struct Case {
        int expected;
        uid_t owner, listener, own;
        bool is_default;
        const char *map;
} Case;

static const Case cases[] = {
        /* The system's broker: root's socket, given to the broker's user. */
        {CERTAIN, DOORWARD, 0, ALICE, true, WHOLE},
        {CERTAIN, DOORWARD, 0, 0, true, WHOLE},
        {CERTAIN, DOORWARD, 0, ALICE, true, NULL},
        {CERTAIN, DOORWARD, 0, ALICE, false, WHOLE},

        /* Somebody else made it: the broker's user as little as any other. */
        {REFUSED, DOORWARD, DOORWARD, ALICE, true, WHOLE},
        {REFUSED, DOORWARD, 1001, ALICE, true, WHOLE},
        {REFUSED, DOORWARD, 1001, ALICE, false, WHOLE},
        {REFUSED, DOORWARD, OVERFLOW, ALICE, true, WHOLE},
        {REFUSED, OVERFLOW, OVERFLOW, ALICE, true, WHOLE},
        {REFUSED, DOORWARD, (uid_t)-1, ALICE, true, WHOLE},
        {REFUSED, ALICE, 1001, 0, false, WHOLE},

        /* One's own instance, but never in the place of the system's. */
        {UNCERTAIN, ALICE, ALICE, ALICE, false, WHOLE},
        {REFUSED, ALICE, ALICE, ALICE, true, WHOLE},
        {CERTAIN, 0, 0, 0, false, WHOLE},

        /* A container of root's: root is mapped, perhaps to another number. */
        {CERTAIN, DOORWARD, 0, ALICE, true, "0 0 65536\n"},
        {CERTAIN, DOORWARD, 5, ALICE, true, "5 0 1\n1000 1000 1\n"},
        {REFUSED, DOORWARD, 0, ALICE, true, "5 0 1\n0 1000 1\n"},
        /* The broker's user is not: anybody who is not could have answered. */
        {UNCERTAIN, OVERFLOW, 0, ALICE, true, "0 0 1\n"},

        /* A user's namespace: root is a stranger, and 0 is the user. */
        {UNCERTAIN, OVERFLOW, OVERFLOW, 0, true, "0 1000 1\n"},
        {UNCERTAIN, OVERFLOW, OVERFLOW, 0, true, "0 1000 1\n1 100000 65536\n"},
        {UNCERTAIN, OVERFLOW, OVERFLOW, OVERFLOW, true, ""},
        {REFUSED, 0, 0, 0, true, "0 1000 1\n"},
        {UNCERTAIN, 0, 0, 0, false, "0 1000 1\n"},
        {REFUSED, 1, 1, 0, false, "0 1000 1\n1 100000 65536\n"},

        /* A namespace inside of that, where the user is again who they are: 0 is the user, not
           root. */
        {UNCERTAIN, OVERFLOW, OVERFLOW, ALICE, true, ALONE},
        {REFUSED, ALICE, ALICE, ALICE, true, ALONE},
        {UNCERTAIN, ALICE, ALICE, ALICE, false, ALONE},
        {CERTAIN, DOORWARD, 0, 0, true, "0 0 1\n990 990 1\n"},

        /* A map that maps nothing, or that is no map, has nobody's root. */
        {REFUSED, DOORWARD, 0, ALICE, true, "0 0 0\n"},
        {REFUSED, DOORWARD, 0, ALICE, true, "nonsense"},
        {REFUSED, DOORWARD, 0, ALICE, true, "0 0"},
};

static void test_judge(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Case *c = &cases[i];
                const TrustEvidence evidence = {
                        .owner = c->owner,
                        .listener = c->listener,
                        .own = c->own,
                        .root = trust_root_uid(c->map, c->own),
                        .is_default = c->is_default,
                };
                bool untouched = i % 2, secure = untouched;
                int r;

                r = trust_judge(&evidence, &secure);
                if (c->expected == REFUSED) {
                        if (r != -EPERM)
                                fail_msg("case %zu is not refused", i);
                        assert_int_equal(secure, untouched);
                } else {
                        if (r != 0 || secure != (c->expected == CERTAIN))
                                fail_msg("case %zu: %d, secure %d", i, r, secure);
                }
        }
}

static void test_root(void **state) {
        assert_int_equal(trust_root_uid(NULL, ALICE), 0);
        assert_int_equal(trust_root_uid(WHOLE, ALICE), 0);
        assert_int_equal(trust_root_uid("1000 1000 1\n5 0 1\n", ALICE), 5);
        assert_int_equal(trust_root_uid("0 1000 1\n1 100000 65536\n", 0), OVERFLOW);
        assert_int_equal(trust_root_uid(ALONE, ALICE), OVERFLOW);
        assert_int_equal(trust_root_uid("", ALICE), OVERFLOW);
        assert_int_equal(trust_root_uid("0 1000 1\n7 0", 0), OVERFLOW);
        assert_int_equal(trust_root_uid("nonsense", ALICE), OVERFLOW);
}

/* Ours, in which there is a root or not; and one of our own making, which maps nobody yet. */
static void test_find_root(void **state) {
        char map[16384];
        int status;
        pid_t pid;

        assert_int_equal(textfile_read("/proc/self/uid_map", map, sizeof(map)), 0);
        assert_int_equal(strspn(map, " \n0123456789"), strlen(map));
        assert_non_null(strchr(map, '\n'));
        assert_int_equal(trust_find_root(geteuid()), trust_root_uid(map, geteuid()));

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0)
                        _exit(UNSHARE_FAILED);
                _exit(trust_find_root(geteuid()) == OVERFLOW ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == UNSHARE_FAILED)
                skip();
        assert_int_equal(WEXITSTATUS(status), EXIT_SUCCESS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_judge),
                cmocka_unit_test(test_root),
                cmocka_unit_test(test_find_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
