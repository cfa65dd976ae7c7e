/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cap-ng.h>
#include <cmocka.h>

#include "common/capabilities.h"
#include "common/peer.h"
#include "helpers/opener-identity.h"

#define OPENER 64001
#define OPENER_GID 64002
#define CLIENT 64003
#define CLIENT_GID 64004

/* What is about other users takes root; that is what ./check has. */
#define NEED_ROOT()             \
        do {                    \
                if (getuid())   \
                        skip(); \
        } while (false)

/* A process that is an opener of this definition, or one that cannot become anybody. The capability
 * is in all sets, as AmbientCapabilities= has it. */
static int become_opener(bool able) {
        const gid_t docker = 64005;

        capng_clear(CAPNG_SELECT_BOTH);
        if (able)
                (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE,
                                   CAP_SETUID);
        if (setgroups(1, &docker) < 0 || capng_change_id(OPENER, OPENER_GID, CAPNG_NO_FLAG) < 0)
                return -1;
        return able ? prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) : 0;
}

static int run(int (*function)(void)) {
        int status = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(function());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int takes(void) {
        uid_t uids[3];
        gid_t gids[3], groups[4];
        Capabilities capabilities;

        if (become_opener(true) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
                return 1;
        if (opener_identity_take(CLIENT) != 0)
                return 2;
        if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 ||
            getresgid(&gids[0], &gids[1], &gids[2]) < 0)
                return 3;
        for (size_t i = 0; i < 3; i++)
                if (uids[i] != CLIENT || gids[i] != OPENER_GID)
                        return 4;
        if (getgroups(4, groups) != 1 || groups[0] != 64005)
                return 5;
        if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                return 6;
        if (capabilities_read(&capabilities) < 0 || capabilities.held != 0)
                return 7;
        return setresuid(OPENER, OPENER, OPENER) == 0 || setresuid(0, 0, 0) == 0 ? 8 : 0;
}

static void test_take(void **state) {
        NEED_ROOT();
        assert_int_equal(run(takes), 0);
}

static int takes_what_is_never_taken(void) {
        if (become_opener(true) != 0)
                return 1;
        if (opener_identity_take(0) != -EPERM || opener_identity_take(PEER_UID_INVALID) != -EPERM ||
            opener_identity_take(PEER_UID_MAX + 1U) != -EPERM)
                return 2;
        return getuid() == OPENER ? 0 : 3;
}

static void test_never_root(void **state) {
        NEED_ROOT();
        assert_int_equal(run(takes_what_is_never_taken), 0);
}

static int takes_unable(void) {
        return become_opener(false) != 0 ? 1 : opener_identity_take(CLIENT) < 0 ? 0 : 2;
}

static void test_unable(void **state) {
        NEED_ROOT();
        assert_int_equal(run(takes_unable), 0);
}

static void become_client(gid_t gid) {
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(CLIENT, CLIENT, CLIENT) < 0)
                _exit(EXIT_FAILURE);
}

/* A process of the client that is dumpable, as one is between the two steps where fs.suid_dumpable
 * says so; and another of the same user that would trace it. Its errno, or 0. */
static int trace(gid_t victim_gid) {
        int ready[2], status = -1;
        pid_t victim, attacker;
        char c;

        assert_int_equal(pipe(ready), 0);
        victim = fork();
        if (victim == 0) {
                become_client(victim_gid);
                (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
                (void)!write(ready[1], "x", 1);
                pause();
        }
        assert_int_equal(read(ready[0], &c, 1), 1);

        attacker = fork();
        if (attacker == 0) {
                become_client(CLIENT_GID);
                _exit(ptrace(PTRACE_SEIZE, victim, NULL, NULL) < 0 ? errno : 0);
        }
        assert_int_equal(waitpid(attacker, &status, 0), attacker);
        (void)kill(victim, SIGKILL);
        (void)waitpid(victim, NULL, 0);
        close_fd(ready[0]);
        close_fd(ready[1]);
        return WEXITSTATUS(status);
}

/* What opener-identity.h says of the kernel: the group alone keeps the user out, at every moment.
 */
static void test_group_alone(void **state) {
        NEED_ROOT();
        assert_int_equal(trace(OPENER_GID), EPERM);
        assert_int_equal(trace(CLIENT_GID), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_take),
                cmocka_unit_test(test_never_root),
                cmocka_unit_test(test_unable),
                cmocka_unit_test(test_group_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
