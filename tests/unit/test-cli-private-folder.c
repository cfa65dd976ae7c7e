/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/private-folder.h"
#include "cli/private-socket.h"
#include "tests/support/faster.h"
#include "tests/support/fds.h"
#include "tests/support/fuse.h"

#define ROUNDS 200

/* An XDG_RUNTIME_DIR of the test's own. */
static char runtime[64];

/* Before it is connected to, this is a link to that. */
static const char *link_path, *link_target;

int __real_connect(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n) {
        if (link_path) {
                assert_int_equal(unlink(link_path), 0);
                assert_int_equal(symlink(link_target, link_path), 0);
                link_path = NULL;
        }
        return __real_connect(fd, address, n);
}

static int setup(void **state) {
        (void)strcpy(runtime, "/tmp/doorward-test-XXXXXX");
        return !mkdtemp(runtime) || setenv("XDG_RUNTIME_DIR", runtime, 1) < 0;
}

static int teardown(void **state) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -r %s", runtime);
        return system(command);
}

static const char *inside(const char *name) {
        static char path[128];

        (void)snprintf(path, sizeof(path), "%s/doorward/%s", runtime, name);
        return path;
}

static void make_folder(const char *name, mode_t mode) {
        assert_int_equal(mkdir(inside(name), 0700), 0);
        assert_int_equal(chmod(inside(name), mode), 0);
}

/* A listener, the caller's. */
static int make_socket(const char *name) {
        int pin = -EBADF, fd = private_socket_new(inside(name), &pin);

        assert_true(fd >= 0);
        close_fd(pin);
        return fd;
}

static bool is_there(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

static void make_and_remove(void) {
        PrivateFolder folder;

        assert_int_equal(private_folder_init_new(&folder), 0);
        private_folder_deinit(&folder);
}

static void test_new(void **state) {
        int before = fds_count();
        PrivateFolder a, b;
        struct stat st;

        assert_int_equal(private_folder_init_new(&a), 0);
        assert_int_equal(private_folder_init_new(&b), 0);
        assert_string_not_equal(a.path, b.path);
        assert_int_equal(strncmp(a.path, inside("run-"), strlen(inside("run-"))), 0);
        assert_int_equal(stat(a.path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);

        /* Whose owner lives stays, whatever is in it. */
        make_and_remove();
        assert_true(is_there(a.path));
        assert_true(is_there(b.path));
        private_folder_deinit(&a);
        private_folder_deinit(&b);
        assert_int_equal(rmdir(inside("")), 0);
        assert_int_equal(fds_count(), before);
}

/* Somebody sweeps between its being made and held. */
static void test_swept_at_once(void **state) {
        PrivateFolder folder;

        faster_removes = true;
        assert_int_equal(private_folder_init_new(&folder), 0);
        assert_false(faster_removes);
        assert_true(is_there(folder.path));
        private_folder_deinit(&folder);
        assert_int_equal(rmdir(inside("")), 0);
}

/* Where there is no such folder: also there what is dead is removed. */
static void test_in_tmp(void **state) {
        char left[64] = "/tmp/doorward-run-test-XXXXXX", other[64] = "/tmp/doorward-test-XXXXXX";
        PrivateFolder folder;

        assert_non_null(mkdtemp(left));
        assert_non_null(mkdtemp(other));
        assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
        assert_int_equal(private_folder_init_new(&folder), 0);
        assert_int_equal(strncmp(folder.path, "/tmp/doorward-run-", 18), 0);
        private_folder_deinit(&folder);
        assert_false(is_there(left));
        assert_true(is_there(other));
        assert_int_equal(rmdir(other), 0);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
}

/* One that was killed leaves all behind. */
static void test_killed(void **state) {
        PrivateFolder folder;
        int status, ends[2];
        char path[128];
        ssize_t n;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int pin;

                if (private_folder_init_new(&folder) < 0)
                        _exit(1);
                (void)snprintf(path, sizeof(path), "%s/docker.sock", folder.path);
                if (private_socket_new(path, &pin) < 0)
                        _exit(2);
                (void)!write(ends[1], path, sizeof(path));
                (void)pause();
        }

        n = read(ends[0], path, sizeof(path));
        assert_int_equal(n, sizeof(path));
        make_and_remove();
        assert_true(is_there(path));

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(is_there(path));
        make_and_remove();
        assert_false(is_there(path));
        *strrchr(path, '/') = 0;
        assert_false(is_there(path));
        close_fd(ends[0]);
        close_fd(ends[1]);
}

/* Only what is dead, ours, and nothing else. */
static void test_swept(void **state) {
        static const char *const kept[] = {
                "run-listening", "run-file", "run-open", "run-link",
                "run-socket",    "run-deep", "other",    "docker",
        };
        PrivateFolder folder;
        int listening;

        assert_int_equal(private_folder_init(&folder), 0);
        private_folder_deinit(&folder);

        make_folder("run-empty", 0700);
        make_folder("run-dead", 0700);
        close_fd(make_socket("run-dead/docker.sock"));
        close_fd(make_socket("run-dead/second.sock"));

        make_folder("run-listening", 0700);
        listening = make_socket("run-listening/docker.sock");
        make_folder("run-file", 0700);
        close_fd(open(inside("run-file/notes"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        make_folder("run-open", 0755);
        make_folder("run-deep", 0700);
        make_folder("run-deep/er", 0700);
        make_folder("other", 0700);
        assert_int_equal(symlink("other", inside("run-link")), 0);
        close_fd(make_socket("run-socket"));
        close_fd(make_socket("docker"));

        assert_int_equal(private_folder_init(&folder), 0);
        private_folder_deinit(&folder);
        assert_false(is_there(inside("run-empty")));
        assert_false(is_there(inside("run-dead")));
        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                if (!is_there(inside(kept[i])))
                        fail_msg("%s is gone", kept[i]);
        assert_true(is_there(inside("run-listening/docker.sock")));
        assert_true(is_there(inside("run-file/notes")));
        close_fd(listening);
}

/* What is mounted there is not asked anything, whoever serves it: who asks this one waits. A
 * process of its own, since it has other mounts from then on. */
static int sweep_mounts(void) {
        _cleanup_close_ int server = -EBADF;
        PrivateFolder folder;

        if (fuse_leave() < 0 || mount("test", inside("run-tmpfs"), "tmpfs", 0, "mode=0700") < 0)
                return 77;
        if (mkdir(inside("run-tmpfs/run-inside"), 0700) < 0)
                return 1;
        server = fuse_mount(inside("run-fuse"));
        if (server < 0)
                return 77;

        if (private_folder_init(&folder) < 0)
                return 2;
        private_folder_deinit(&folder);
        if (fuse_was_asked(server))
                return 3;
        close_fd(make_socket("run-tmpfs/s"));
        make_and_remove();
        return is_there(inside("run-tmpfs/s")) && !is_there(inside("run-dead")) ? 0 : 4;
}

static void test_mounts(void **state) {
        PrivateFolder folder;
        int status;
        pid_t pid;

        assert_int_equal(private_folder_init(&folder), 0);
        private_folder_deinit(&folder);
        make_folder("run-tmpfs", 0700);
        make_folder("run-fuse", 0700);
        make_folder("run-dead", 0700);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)alarm(20);
                _exit(sweep_mounts());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* Makes one after the other, each of which has to be there for what is put into it. */
static _noreturn_ void make_many(void) {
        for (int i = 0; i < ROUNDS; i++) {
                PrivateFolder folder;
                char path[PATH_MAX];
                int fd, pin;

                if (private_folder_init_new(&folder) < 0)
                        _exit(1);
                (void)snprintf(path, sizeof(path), "%s/s", folder.path);
                fd = private_socket_new(path, &pin);
                if (fd < 0)
                        _exit(2);
                private_socket_remove_consume_pin(path, pin);
                private_folder_deinit(&folder);
                if (is_there(path) || close(fd) < 0)
                        _exit(3);
        }

        _exit(0);
}

/* Who sweeps takes nobody's folder away, however new. */
static void test_at_once(void **state) {
        for (int i = 0; i < 3; i++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        make_many();
        }
        for (int i = 0; i < 3; i++) {
                int status;

                assert_true(wait(&status) > 0);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(rmdir(inside("")), 0);
}

static void test_pin(void **state) {
        PrivateFolder folder;
        int fd, pin, other, other_pin;

        assert_int_equal(private_folder_init(&folder), 0);
        private_folder_deinit(&folder);
        fd = private_socket_new(inside("s"), &pin);
        assert_true(fd >= 0);
        assert_int_equal(private_socket_new(inside("s"), &other_pin), -EADDRINUSE);
        assert_int_equal(unlink(inside("s")), 0);
        close_fd(fd);

        /* Another by that name is not ours to remove. */
        other = private_socket_new(inside("s"), &other_pin);
        assert_true(other >= 0);
        private_socket_remove_consume_pin(inside("s"), pin);
        assert_true(is_there(inside("s")));
        private_socket_remove_consume_pin(inside("s"), -EBADF);
        assert_true(is_there(inside("s")));
        private_socket_remove_consume_pin(inside("s"), other_pin);
        assert_false(is_there(inside("s")));
        close_fd(other);
}

/* What becomes a link leads nobody to where it points, and is not removed for what it was. */
static void test_becomes_a_link(void **state) {
        char link[128], target[128];
        PrivateFolder folder;
        int fd;

        assert_int_equal(private_folder_init(&folder), 0);
        private_folder_deinit(&folder);
        (void)snprintf(link, sizeof(link), "%s", inside("s"));
        (void)snprintf(target, sizeof(target), "%s", inside("target"));
        close_fd(make_socket("s"));
        fd = make_socket("target");

        link_path = link;
        link_target = target;
        assert_int_equal(private_socket_remove_dead(link), 0);
        assert_null(link_path);
        assert_true(is_there(link));
        assert_int_equal(accept4(fd, NULL, NULL, SOCK_NONBLOCK), -1);
        assert_int_equal(errno, EAGAIN);
        close_fd(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_new, setup, teardown),
                cmocka_unit_test_setup_teardown(test_swept_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_in_tmp, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_swept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_pin, setup, teardown),
                cmocka_unit_test_setup_teardown(test_becomes_a_link, setup, teardown),
        };

        (void)alarm(60);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
