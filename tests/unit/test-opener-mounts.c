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

/* Skips where there are no mounts of one's own, or no FUSE. */
static void leave(void) {
        int server = fuse_leave() < 0 ? -EBADF : fuse_mount(folder);

        if (server < 0)
                skip();
        close_fd(server);
        assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

/* A number that was found to be good becomes that of a FUSE file system: whether that is known for
 * one. False, too, if no number is used again. */
static bool tells_apart(const char *at, bool no_unique) {
        OpenerMounts mounts = {.no_unique = no_unique};
        bool again = false, known = true;

        for (unsigned i = 0; i < 100 && !again && known; i++) {
                _cleanup_close_ int server = -EBADF;
                uint64_t number;

                assert_int_equal(mount("test", at, "tmpfs", 0, NULL), 0);
                known = check(&mounts, at) == 0;
                number = number_of(at);
                assert_int_equal(umount2(at, 0), 0);

                server = fuse_mount(at);
                assert_true(server >= 0);
                known = known && check(&mounts, at) == 1;
                again = number_of(at) == number;
                server = close_fd(server);
                assert_int_equal(umount2(at, 0), 0);
        }

        opener_mounts_deinit(&mounts);
        return again && known;
}

static void check_number_used_again(bool no_unique) {
        leave();
        assert_true(tells_apart(folder, no_unique));
}

/* So few mounts that all of the table is in what is read of it at once, and none of it is to be
 * believed the next time. */
static int enter_short_table(void) {
        return mount("test", folder, "tmpfs", 0, NULL) < 0 || chdir(folder) < 0 ||
                               mkdir("proc", 0700) < 0 || mkdir("dev", 0700) < 0 ||
                               mkdir("at", 0700) < 0 ||
                               mount("/proc", "proc", "none", MS_BIND | MS_REC, NULL) < 0 ||
                               mount("/dev", "dev", "none", MS_BIND, NULL) < 0 || chroot(".") < 0
                       ? -errno
                       : 0;
}

static void test_short_table(void **state) {
        for (int no_unique = 0; no_unique < 2; no_unique++) {
                int status;
                pid_t pid;

                leave();
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        if (fuse_leave() < 0 || enter_short_table() < 0)
                                _exit(2);
                        _exit(tells_apart("/at", no_unique) ? 0 : 1);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
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
                cmocka_unit_test_setup_teardown(test_short_table, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
