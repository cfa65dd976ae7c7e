/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/strv.h"
#include "tests/support/tree.h"
#include "tests/support/users.h"

static void check_chosen(const IdentityRules *rules, const char *name, uid_t uid) {
        const char *reason = NULL;
        Identity identity;

        assert_int_equal(identity_choose(rules, name, &identity, &reason), 0);
        assert_int_equal(identity.uid, uid);
        assert_string_equal(identity.name, name);
}

static void check_refused(const IdentityRules *rules, const char *name, const char *why) {
        const char *reason = NULL;
        Identity identity = {.uid = 77};

        if (identity_choose(rules, name, &identity, &reason) != IDENTITY_E_REFUSED)
                fail_msg("%s is not refused", name);
        assert_string_equal(reason, why);
        assert_int_equal(identity.uid, 77);
}

static void test_ordinary_users(void **state) {
        check_chosen(&users_rules, "alice", 1001);
        check_chosen(&users_rules, "bob", 1002);
        check_chosen(&users_rules, "least", 1000);
        /* Whom only a directory knows. */
        check_chosen(&users_rules, "carol@example.org", 1009);
        /* No shell is /bin/sh. */
        check_chosen(&users_rules, "empty", 1007);
}

static void test_unknown(void **state) {
        static const char *const names[] = {"dave",   "missing", "",         "-x",      "a:b",
                                            "../bob", "bob ",    "bob\n",    "b\tob",   "bob\177",
                                            "1002",   "+",       "bob\033[", "alice,x", "/"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                check_refused(&users_rules, names[i], "there is no such user");
}

/* Of names that no user has NSS is not even asked. */
static int asked_name(const char *name, struct passwd *entry, char *buf, size_t size,
                      struct passwd **ret) {
        fail_msg("%s was looked up", name);
        return EIO;
}

static void test_names_that_are_none(void **state) {
        IdentityRules rules = users_rules;

        rules.by_name = asked_name;
        check_refused(&rules, "", "there is no such user");
        check_refused(&rules, "a/b", "there is no such user");
        check_refused(&rules, "a\nb", "there is no such user");
        check_refused(&rules, "--help", "there is no such user");
}

static void test_root(void **state) {
        static char *const exceptions[] = {(char *)"root", (char *)"toor", NULL};
        IdentityRules rules = users_rules;

        check_refused(&rules, "root", "nobody is root here");
        check_refused(&rules, "toor", "nobody is root here");

        /* Nor if somebody wrote it down. */
        rules.exceptions = exceptions;
        rules.least = 0;
        check_refused(&rules, "root", "nobody is root here");
        check_refused(&rules, "toor", "nobody is root here");
}

static void test_system_users(void **state) {
        static char *const exceptions[] = {(char *)"daemon", (char *)"nologin", (char *)"nobody",
                                           (char *)"none", NULL};
        IdentityRules rules = users_rules;

        check_refused(&rules, "daemon", "this is a system user");
        check_refused(&rules, "system", "this is a system user");
        check_refused(&rules, "nobody", "this is nobody");
        check_refused(&rules, "huge", "this is nobody");
        check_refused(&rules, "none", "this is nobody");

        rules.least = 500;
        check_chosen(&rules, "system", 999);
        check_refused(&rules, "daemon", "this is a system user");

        rules.exceptions = exceptions;
        check_chosen(&rules, "daemon", 1);
        check_chosen(&rules, "nologin", 1003);
        check_refused(&rules, "false", "this user has no valid login shell");
        /* polkit could not be asked about these. */
        check_refused(&rules, "nobody", "this is nobody");
        check_refused(&rules, "none", "this is nobody");
}

static void test_shells(void **state) {
        static const char *const names[] = {"nologin", "false", "listed", "strange", "relative"};
        IdentityRules rules = users_rules;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                check_refused(&users_rules, names[i], "this user has no valid login shell");

        rules.shells = NULL;
        check_refused(&rules, "alice", "this user has no valid login shell");
        check_refused(&rules, "empty", "this user has no valid login shell");
}

/* What was decided is about a name, so it has to be the one that PAM sees. */
static void test_another_name(void **state) {
        static char *const exceptions[] = {(char *)"ALICE", NULL};
        IdentityRules rules = users_rules;

        rules.exceptions = exceptions;
        check_refused(&rules, "ALICE", "this is another name of a user");
}

static void test_find(void **state) {
        const char *reason;
        Identity identity;

        assert_int_equal(identity_find_uid(&users_rules, 1001, &identity), 0);
        assert_string_equal(identity.name, "alice");
        assert_int_equal(identity_find_uid(&users_rules, 0, &identity), 0);
        assert_string_equal(identity.name, "root");
        assert_int_equal(identity_find_uid(&users_rules, 4711, &identity), IDENTITY_E_UNKNOWN);
        assert_int_equal(identity_find_uid(&users_rules, USERS_BROKEN_UID, &identity), -EIO);

        assert_int_equal(identity_find_name(&users_rules, "ALICE", &identity), 0);
        assert_string_equal(identity.name, "alice");
        assert_int_equal(identity_find_name(&users_rules, "dave", &identity), IDENTITY_E_UNKNOWN);
        assert_int_equal(identity_find_name(&users_rules, "missing", &identity),
                         IDENTITY_E_UNKNOWN);
        assert_int_equal(identity_find_name(&users_rules, "broken", &identity), -EIO);
        assert_int_equal(identity_choose(&users_rules, "broken", &identity, &reason), -EIO);
}

static void check_least(const Tree *tree, const char *text, uid_t expected) {
        char path[TREE_PATH_SIZE];

        tree_file(tree, "login.defs", text);
        assert_int_equal(identity_read_least(tree_path(tree, "login.defs", path)), expected);
}

static void test_login_defs(void **state) {
        char path[TREE_PATH_SIZE];
        Tree tree;

        tree_init(&tree);
        assert_int_equal(identity_read_least(tree_path(&tree, "login.defs", path)), 1000);
        check_least(&tree, "", 1000);
        check_least(&tree, "UID_MIN\t\t\t  500\nUID_MAX 60000\n", 500);
        check_least(&tree, "# x\nUMASK 022\n  UID_MIN 2000\n#UID_MIN 5\n", 2000);
        check_least(&tree, "UID_MIN 0x7d0\n", 2000);
        check_least(&tree, "UID_MINIMUM 5\nSYS_UID_MIN 100\n", 1000);
        /* What is no number leaves what was said before. */
        check_least(&tree, "UID_MIN many\n", 1000);
        check_least(&tree, "UID_MIN 2000\nUID_MIN -1\n", 2000);
        check_least(&tree, "UID_MIN 0xg\n", 1000);
        check_least(&tree, "UID_MIN 99999999999999999999\n", 1000);
        check_least(&tree, "UID_MIN\n", 1000);
        tree_deinit(&tree);
}

/* This machine's own: there is always one. */
static void test_list_shells(void **state) {
        _cleanup_(strv_freep) char **shells = NULL;

        assert_int_equal(identity_list_shells(&shells), 0);
        assert_true(strv_contains(shells, "/bin/sh"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary_users),      cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_names_that_are_none), cmocka_unit_test(test_root),
                cmocka_unit_test(test_system_users),        cmocka_unit_test(test_shells),
                cmocka_unit_test(test_another_name),        cmocka_unit_test(test_find),
                cmocka_unit_test(test_login_defs),          cmocka_unit_test(test_list_shells),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
