/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pwd.h>

#include <cmocka.h>

#include "helpers/agent-candidates.h"

#define ROOT 0
#define DAEMON 1
#define BIN 2
#define NO_SUCH_USER 2147483646

/* Takes the identities; NULL ends them. */
static AgentCandidates read_candidates(uid_t own, PolkitIdentity *first, ...) {
        AgentCandidates candidates;
        GList *identities = NULL;
        va_list args;

        va_start(args, first);
        for (PolkitIdentity *i = first; i; i = va_arg(args, PolkitIdentity *))
                identities = g_list_append(identities, i);
        va_end(args);

        agent_candidates_read(&candidates, identities, own);
        g_list_free_full(identities, g_object_unref);
        return candidates;
}

static void check(const AgentCandidates *candidates, size_t i, uid_t uid, const char *name) {
        assert_true(i < candidates->n);
        assert_int_equal(candidates->uids[i], uid);
        assert_string_equal(candidates->names[i], name);
}

static void test_order(void **state) {
        AgentCandidates c =
                read_candidates(NO_SUCH_USER, polkit_unix_user_new(BIN), polkit_unix_user_new(ROOT),
                                polkit_unix_user_new(DAEMON), NULL);

        assert_int_equal(c.n, 3);
        check(&c, 0, BIN, "bin");
        check(&c, 1, ROOT, "root");
        check(&c, 2, DAEMON, "daemon");
}

static void test_own_comes_first(void **state) {
        AgentCandidates c =
                read_candidates(DAEMON, polkit_unix_user_new(BIN), polkit_unix_user_new(DAEMON),
                                polkit_unix_user_new(ROOT), NULL);

        assert_int_equal(c.n, 3);
        check(&c, 0, DAEMON, "daemon");
        check(&c, 1, BIN, "bin");
        check(&c, 2, ROOT, "root");
}

/* Who asks is none of them, and is not made one. */
static void test_own_is_not_added(void **state) {
        AgentCandidates c = read_candidates(ROOT, polkit_unix_user_new(BIN), NULL);

        assert_int_equal(c.n, 1);
        check(&c, 0, BIN, "bin");
}

static void test_others_are_left_out(void **state) {
        AgentCandidates c = read_candidates(
                BIN, polkit_unix_group_new(DAEMON), polkit_unix_user_new(NO_SUCH_USER),
                polkit_unix_netgroup_new("admins"), polkit_unix_user_new(DAEMON), NULL);

        assert_int_equal(c.n, 1);
        check(&c, 0, DAEMON, "daemon");

        c = read_candidates(BIN, polkit_unix_group_new(BIN), NULL);
        assert_int_equal(c.n, 0);
}

static void test_each_once(void **state) {
        AgentCandidates c =
                read_candidates(DAEMON, polkit_unix_user_new(BIN), polkit_unix_user_new(DAEMON),
                                polkit_unix_user_new(BIN), polkit_unix_user_new(DAEMON), NULL);

        assert_int_equal(c.n, 2);
        check(&c, 0, DAEMON, "daemon");
        check(&c, 1, BIN, "bin");
}

/* All that there are, which is more than there is room for. */
static void test_too_many(void **state) {
        uid_t last = 0, own = (uid_t)-1;
        AgentCandidates candidates;
        GList *identities = NULL;

        for (uid_t uid = 0; uid < 1000; uid++)
                if (getpwuid(uid)) {
                        identities = g_list_append(identities, polkit_unix_user_new((gint)uid));
                        last = uid;
                }
        if (g_list_length(identities) <= AGENT_NAMES_MAX) {
                g_list_free_full(identities, g_object_unref);
                skip();
        }

        agent_candidates_read(&candidates, identities, own);
        assert_int_equal(candidates.n, AGENT_NAMES_MAX);
        check(&candidates, 0, ROOT, "root");

        /* Whoever asks is among them all the same. */
        agent_candidates_read(&candidates, identities, last);
        assert_int_equal(candidates.n, AGENT_NAMES_MAX);
        assert_int_equal(candidates.uids[0], last);
        g_list_free_full(identities, g_object_unref);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_own_comes_first),
                cmocka_unit_test(test_own_is_not_added),
                cmocka_unit_test(test_others_are_left_out),
                cmocka_unit_test(test_each_once),
                cmocka_unit_test(test_too_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
