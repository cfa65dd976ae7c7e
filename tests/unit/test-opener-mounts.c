/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "helpers/opener-mounts.h"
#include "tests/support/fds.h"
#include "tests/support/fuse.h"

static int check(OpenerMounts *mounts, const char *path) {
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        const char *reason = NULL;
        int r;

        assert_true(fd >= 0);
        r = opener_mounts_check(mounts, fd, &reason);
        assert_int_equal(r == 0, reason == NULL);
        return r;
}

static void check_believed(bool no_unique) {
        static const char *const paths[] = {"/", "/proc", "/proc/self/status", "/dev", "/tmp"};
        OpenerMounts mounts = {.no_unique = no_unique};
        int before = fds_count();

        for (unsigned round = 0; round < 2; round++)
                for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                        assert_int_equal(check(&mounts, paths[i]), 0);
        assert_in_range(mounts.n_trusted, 1, 4);

        opener_mounts_deinit(&mounts);
        assert_int_equal(fds_count(), before);
        assert_int_equal(mounts.n_trusted, 0);
        opener_mounts_deinit(&mounts);
}

static void test_believed(void **state) {
        check_believed(false);
        check_believed(true);
}

/* What is mounted nowhere, or nothing at all. */
static void check_unknown(bool no_unique) {
        OpenerMounts mounts = {.no_unique = no_unique};
        const char *reason = NULL;
        int fds[] = {memfd_create("test", MFD_CLOEXEC), socket(AF_UNIX, SOCK_STREAM, 0), -EBADF};

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                reason = NULL;
                assert_int_equal(opener_mounts_check(&mounts, fds[i], &reason),
                                 fds[i] >= 0 ? -ENOENT : -EBADF);
                assert_non_null(strstr(reason, "cannot be found out"));
                close_fd(fds[i]);
        }
        assert_int_equal(mounts.n_trusted, 0);
        opener_mounts_deinit(&mounts);
}

static void test_unknown(void **state) {
        check_unknown(false);
        check_unknown(true);
}

/* From here on each test has mounts of its own, and a folder in which they are. */

static char folder[64];

static int setup(void **state) {
        (void)snprintf(folder, sizeof(folder), "/tmp/test-opener-mounts-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
        (void)umount2(folder, MNT_DETACH);
        return rmdir(folder);
}

/* It is known by what the kernel says, and not asked: who asks waits, as this shows. */
static void test_fuse(void **state) {
        _cleanup_close_ int server = fuse_leave() < 0 ? -EBADF : fuse_mount(folder), fd = -EBADF;
        OpenerMounts mounts = {};
        const char *reason;
        struct stat st;
        int status;
        pid_t pid;

        if (server < 0)
                skip();

        fd = open(folder, O_PATH | O_CLOEXEC);
        assert_int_equal(opener_mounts_check(&mounts, fd, &reason), 1);
        assert_non_null(strstr(reason, "FUSE"));
        assert_int_equal(check(&mounts, "/tmp"), 0);
        assert_int_equal(check(&mounts, folder), 1);
        assert_false(fuse_was_asked(server));

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close_fd(server);
                _exit(fstat(fd, &st) < 0 ? 1 : 0);
        }
        while (!fuse_was_asked(server))
                assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        server = close_fd(server);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), 1);
        opener_mounts_deinit(&mounts);
}

static uint64_t number_of(const char *path) {
        struct statx found;

        assert_int_equal(statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, 0, &found), 0);
        return found.stx_mnt_id;
}

/* A number that was found to be good becomes that of a FUSE file system. */
static void check_number_used_again(bool no_unique) {
        _cleanup_close_ int server = fuse_leave() < 0 ? -EBADF : fuse_mount(folder);
        OpenerMounts mounts = {.no_unique = no_unique};
        uint64_t number = 0;

        if (server < 0)
                skip();

        for (unsigned i = 0; i < 100; i++) {
                server = close_fd(server);
                assert_int_equal(umount2(folder, 0), 0);
                assert_int_equal(mount("test", folder, "tmpfs", 0, NULL), 0);
                assert_int_equal(check(&mounts, folder), 0);
                number = number_of(folder);
                assert_int_equal(umount2(folder, 0), 0);

                server = fuse_mount(folder);
                assert_true(server >= 0);
                assert_int_equal(check(&mounts, folder), 1);
                if (number_of(folder) == number)
                        break;
        }
        assert_int_equal(number_of(folder), number);
        opener_mounts_deinit(&mounts);
}

static void test_number_used_again(void **state) {
        check_number_used_again(true);
}

static void test_unique_number(void **state) {
        check_number_used_again(false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_believed),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test_setup_teardown(test_fuse, setup, teardown),
                cmocka_unit_test_setup_teardown(test_number_used_again, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unique_number, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
