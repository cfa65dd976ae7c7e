/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/userfile.h"

typedef struct File {
        char path[64];
} File;

static File file_new(const char *text, size_t n) {
        File file = {"/tmp/doorward-test-XXXXXX"};
        _cleanup_close_ int fd = mkstemp(file.path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, n), n);
        return file;
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "# a comment\n"
                             "\n"
                             "daemon:x:1:2:daemon:/usr/sbin:/usr/sbin/nologin\n"
                             "broken:x:notanumber:3::/:\n"
                             "short:x\n"
                             "+nis::::::\n"
                             "alice:x:1000:1001:,,,:/home/alice:/bin/bash\n"
                             "alice:x:0:0:again:/:/bin/sh\n"
                             "high:x:4294967294:4294967293::/:\n"
                             "last:x:7:8::/:/bin/sh";

static void test_users(void **state) {
        File file = file_new(passwd, sizeof(passwd) - 1);
        uid_t uid = 77;
        gid_t gid = 78;

        assert_int_equal(userfile_get_uid(file.path, "root", &uid), 0);
        assert_int_equal(uid, 0);
        assert_int_equal(userfile_get_uid(file.path, "daemon", &uid), 0);
        assert_int_equal(uid, 1);

        /* The first of two counts. */
        assert_int_equal(userfile_get_user(file.path, "alice", &uid, &gid), 0);
        assert_int_equal(uid, 1000);
        assert_int_equal(gid, 1001);
        assert_int_equal(userfile_get_user(file.path, "high", &uid, &gid), 0);
        assert_int_equal(uid, 4294967294U);
        assert_int_equal(gid, 4294967293U);

        /* A last line without its end. */
        assert_int_equal(userfile_get_uid(file.path, "last", &uid), 0);
        assert_int_equal(uid, 7);

        uid = 77;
        assert_int_equal(userfile_get_uid(file.path, "nobody-here", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "broken", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "short", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "Root", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "roo", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "root:x", &uid), -ENOENT);
        assert_int_equal(userfile_get_uid(file.path, "# a comment", &uid), -ENOENT);
        assert_int_equal(uid, 77);
        (void)unlink(file.path);
}

static void test_groups(void **state) {
        static const char text[] = "root:x:0:\ndocker:x:998:alice,bob\nbad:x:-5:\nkvm:!:104:\n";
        File file = file_new(text, sizeof(text) - 1);
        gid_t gid = 77;

        assert_int_equal(userfile_get_gid(file.path, "docker", &gid), 0);
        assert_int_equal(gid, 998);
        assert_int_equal(userfile_get_gid(file.path, "kvm", &gid), 0);
        assert_int_equal(gid, 104);

        gid = 77;
        assert_int_equal(userfile_get_gid(file.path, "alice", &gid), -ENOENT);
        assert_int_equal(userfile_get_gid(file.path, "absent", &gid), -ENOENT);
        assert_int_equal(gid, 77);
        (void)unlink(file.path);
}

/* A group with more members than anybody reads is an error, not an absence. */
static void test_long_line(void **state) {
        size_t n = 100000;
        _cleanup_free_ char *text = malloc(n + 64);
        gid_t gid = 77;
        File file;

        assert_non_null(text);
        memcpy(text, "crowd:x:5:", 10);
        for (size_t i = 10; i < n; i += 2)
                memcpy(text + i, "a,", 2);
        memcpy(text + n, "\nkvm:x:104:\n", 12);
        file = file_new(text, n + 12);

        assert_int_equal(userfile_get_gid(file.path, "crowd", &gid), -ERANGE);
        assert_int_equal(gid, 77);
        (void)unlink(file.path);
}

static void test_no_file(void **state) {
        File empty = file_new("", 0);
        uid_t uid = 77;
        gid_t gid = 78;

        assert_int_equal(userfile_get_uid("/proc/nonexistent/passwd", "root", &uid), -ENOENT);
        assert_int_equal(userfile_get_gid("/proc/nonexistent/group", "root", &gid), -ENOENT);
        assert_int_equal(userfile_get_user("/", "root", &uid, &gid), -EISDIR);
        assert_int_equal(userfile_get_gid(empty.path, "root", &gid), -ENOENT);
        (void)unlink(empty.path);
        assert_int_equal(uid, 77);
        assert_int_equal(gid, 78);
}

static void test_this_machine(void **state) {
        uid_t uid = 77;
        gid_t gid = 78;

        assert_int_equal(userfile_get_user(USERFILE_PASSWD, "root", &uid, &gid), 0);
        assert_int_equal(uid, 0);
        assert_int_equal(gid, 0);
        gid = 78;
        assert_int_equal(userfile_get_gid(USERFILE_GROUP, "root", &gid), 0);
        assert_int_equal(gid, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_users),        cmocka_unit_test(test_groups),
                cmocka_unit_test(test_long_line),    cmocka_unit_test(test_no_file),
                cmocka_unit_test(test_this_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
