/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/cgroup.h"

static void check_path(const char *text, const char *expected) {
        _cleanup_free_ char *path = NULL;
        int r = cgroup_parse_path(text, &path);

        assert_int_equal(r, expected ? 0 : -ENODATA);
        if (expected)
                assert_string_equal(path, expected);
        else
                assert_null(path);
}

static void test_path(void **state) {
        check_path("0::/user.slice/a\n", "/user.slice/a");
        check_path("0::/\n", "/");

        /* Of several hierarchies it is systemd's. */
        check_path("3:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n",
                   "/system.slice/a.service");
        check_path("1:name=systemd:/a\n0::/b\n", "/b");
        check_path("12:name=systemd:/a\n", "/a");
        check_path("0::/b\n1:name=systemd:/a\n", "/b");

        check_path("", NULL);
        check_path("\n", NULL);
        check_path("0::/cut", NULL);
        check_path("1:name=systemd:/a\n0::/cut", "/a");
        check_path("::/a\n", NULL);
        check_path("0::a\n", NULL);
        check_path("0::\n", NULL);
        check_path("1:name=elogind:/a\n", NULL);
        check_path("1:name=systemd\n", NULL);
        check_path("1:cpu,cpuacct:/0::/a\n", NULL);
}

static void check_unit(const char *path, const char *root, const char *expected) {
        _cleanup_free_ char *unit = NULL;
        int r = cgroup_find_unit(path, root, &unit);

        assert_int_equal(r, expected ? 0 : -ENODATA);
        if (expected)
                assert_string_equal(unit, expected);
        else
                assert_null(unit);
}

static void test_unit(void **state) {
        check_unit("/user.slice/user-1000.slice/session-3.scope", "", "session-3.scope");
        check_unit("/system.slice/cron.service", "", "cron.service");
        check_unit("/system.slice/cron.service/below/other.service", "", "cron.service");
        check_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "",
                   "user@1000.service");
        check_unit("/init.scope", "", "init.scope");
        check_unit("/system.slice/system-a\\x2db.slice/a\\x2db@1.service", "", "a\\x2db@1.service");

        /* As the kernel would not have it. */
        check_unit("/system.slice/_cpu.service", "", "cpu.service");
        check_unit("/system.slice/__a.service", "", "_a.service");
        check_unit("/system.slice/_", "", NULL);

        /* Seen from a container that sees its host's. */
        check_unit("/machine.slice/a.service/payload/system.slice/b.service",
                   "/machine.slice/a.service/payload", "b.service");
        check_unit("/system.slice/b.service", "/machine.slice/a.service/payload", NULL);
        check_unit("/machine.slice/a.service/payloads/b.service",
                   "/machine.slice/a.service/payload", NULL);

        check_unit("", "", NULL);
        check_unit("/", "", NULL);
        check_unit("//", "", NULL);
        check_unit("/..", "", NULL);
        check_unit("/../../a.service", "", NULL);
        check_unit("/user.slice", "", NULL);
        check_unit("/user.slice/", "", NULL);
        check_unit("/docker/0123456789", "", NULL);
        check_unit("/system.slice/.service", "", NULL);
        check_unit("/system.slice/a b.service", "", NULL);
        check_unit("/system.slice/a\nMESSAGE=b.service", "", NULL);
        check_unit("/system.slice/a.servic/a.service", "", NULL);
}

static void check_session(const char *unit, const char *expected) {
        _cleanup_free_ char *session = NULL;
        int r = cgroup_find_session(unit, &session);

        assert_int_equal(r, expected ? 0 : -ENODATA);
        if (expected)
                assert_string_equal(session, expected);
}

static void test_session(void **state) {
        check_session("session-3.scope", "3");
        check_session("session-c12.scope", "c12");
        check_session("session-.scope", NULL);
        check_session("session-3.service", NULL);
        check_session("session-3.scope.scope", NULL);
        check_session("session-3-4.scope", NULL);
        check_session("session-3", NULL);
        check_session("cron.service", NULL);
        check_session("", NULL);
}

static void test_manager(void **state) {
        static const char *const none[] = {"user@.service",
                                           "user@x.service",
                                           "user@1.slice",
                                           "user@99999999999.service",
                                           "user@4294967295.service",
                                           "user-1001.slice",
                                           "xuser@1.service",
                                           "user@1.servicex",
                                           ""};
        uid_t uid = 7;

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(cgroup_find_manager(none[i], &uid), -ENODATA);
        assert_int_equal(uid, 7);
        assert_int_equal(cgroup_find_manager("user@1001.service", &uid), 0);
        assert_int_equal(uid, 1001);
        assert_int_equal(cgroup_find_manager("user@0.service", &uid), 0);
        assert_int_equal(uid, 0);
}

static void test_root(void **state) {
        _cleanup_free_ char *root = NULL;

        /* Whatever runs here: it is a folder, or nothing. */
        assert_int_equal(cgroup_get_root(&root), 0);
        assert_true(!root[0] || root[0] == '/');
        assert_false(root[0] && root[strlen(root) - 1] == '/');
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path),    cmocka_unit_test(test_unit),
                cmocka_unit_test(test_session), cmocka_unit_test(test_manager),
                cmocka_unit_test(test_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
