/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/socket-lock.h"
#include "tests/support/faster.h"
#include "tests/support/fds.h"

#define ROUNDS 500

static char folder[64], path[128], file[128];

static int setup(void **state) {
        (void)strcpy(folder, "/tmp/doorward-test-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/docker", folder);
        (void)snprintf(file, sizeof(file), "%s/.docker.lock", folder);
        return 0;
}

/* Nothing is left in it. */
static int teardown(void **state) {
        return rmdir(folder);
}

static void test_held(void **state) {
        int before = fds_count();
        SocketLock a, b;
        struct stat st;
        pid_t holder;

        assert_int_equal(socket_lock_take(&a, path, &holder), 0);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(socket_lock_take(&b, path, &holder), SOCKET_LOCK_E_HELD);
        assert_int_equal(holder, getpid());

        /* What was not taken is not given back. */
        socket_lock_release(&b);
        assert_int_equal(socket_lock_take(&b, path, &holder), SOCKET_LOCK_E_HELD);
        socket_lock_release(&a);
        assert_int_equal(stat(file, &st), -1);
        assert_int_equal(socket_lock_take(&b, path, &holder), 0);
        socket_lock_release(&b);
        assert_int_equal(fds_count(), before);
}

static void test_killed(void **state) {
        pid_t pid = fork(), holder;
        SocketLock lock;
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)!socket_lock_take(&lock, path, &holder);
                (void)raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(access(file, F_OK), 0);
        assert_int_equal(socket_lock_take(&lock, path, &holder), 0);
        socket_lock_release(&lock);
}

/* Somebody has removed the file, and another has the place now. */
static void test_lost(void **state) {
        SocketLock a, b;
        pid_t holder;

        assert_int_equal(socket_lock_take(&a, path, &holder), 0);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(socket_lock_take(&b, path, &holder), 0);
        socket_lock_release(&a);
        assert_int_equal(access(file, F_OK), 0);
        socket_lock_release(&b);
}

/* Its holder removes it between our opening and having it. */
static void test_removed_at_once(void **state) {
        SocketLock a, b;
        pid_t holder;

        faster_removes = true;
        assert_int_equal(socket_lock_take(&a, path, &holder), 0);
        assert_false(faster_removes);
        assert_int_equal(socket_lock_take(&b, path, &holder), SOCKET_LOCK_E_HELD);
        socket_lock_release(&a);
}

static void test_what_is_there(void **state) {
        SocketLock lock;
        pid_t holder;

        assert_int_equal(mkdir(file, 0700), 0);
        assert_int_equal(socket_lock_take(&lock, path, &holder), -EEXIST);
        assert_int_equal(rmdir(file), 0);

        assert_int_equal(symlink("elsewhere", file), 0);
        assert_int_equal(socket_lock_take(&lock, path, &holder), -EEXIST);
        assert_int_equal(unlink(file), 0);

        assert_int_equal(mkfifo(file, 0600), 0);
        assert_int_equal(socket_lock_take(&lock, path, &holder), -EEXIST);
        assert_int_equal(unlink(file), 0);

        assert_int_equal(socket_lock_take(&lock, "/nonexistent/docker", &holder), -ENOENT);
}

static void write_file(const char *text) {
        _cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Another program's file of that name is neither emptied nor removed. */
static void test_anothers(void **state) {
        static const char *const texts[] = {
                "precious\n", "4711",     "\n",      "-1\n",           "47 11\n",
                "4711\n\n",   "4711 x\n", " 4711\n", "123456789012\n", "4711\nhost\n",
        };
        char other[160];
        SocketLock lock;
        struct stat st;
        pid_t holder;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                write_file(texts[i]);
                if (socket_lock_take(&lock, path, &holder) != -EEXIST)
                        fail_msg("\"%s\" was taken", texts[i]);
                assert_int_equal(stat(file, &st), 0);
                assert_int_equal(st.st_size, strlen(texts[i]));
        }

        /* What has a second name. */
        write_file("");
        (void)snprintf(other, sizeof(other), "%s/other", folder);
        assert_int_equal(link(file, other), 0);
        assert_int_equal(socket_lock_take(&lock, path, &holder), -EEXIST);
        assert_int_equal(unlink(other), 0);

        /* What may have been left by one of us. */
        for (size_t i = 0; i < 2; i++) {
                write_file(i == 0 ? "" : "12345678901\n");
                assert_int_equal(socket_lock_take(&lock, path, &holder), 0);
                socket_lock_release(&lock);
        }
}

static _noreturn_ void take_many(_Atomic int *inside) {
        int n = 0;

        while (n < ROUNDS) {
                SocketLock lock;
                pid_t holder;
                int r;

                r = socket_lock_take(&lock, path, &holder);
                if (r == SOCKET_LOCK_E_HELD)
                        continue;
                if (r < 0 || ++*inside != 1)
                        _exit(1);
                n++;
                --*inside;
                socket_lock_release(&lock);
        }

        _exit(0);
}

/* However many come and go: one at a time. */
static void test_at_once(void **state) {
        _Atomic int *inside = mmap(NULL, sizeof(*inside), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(inside, MAP_FAILED);
        for (int i = 0; i < 3; i++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        take_many(inside);
        }
        for (int i = 0; i < 3; i++) {
                int status;

                assert_true(wait(&status) > 0);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(munmap(inside, sizeof(*inside)), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_held, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
                cmocka_unit_test_setup_teardown(test_removed_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_there, setup, teardown),
                cmocka_unit_test_setup_teardown(test_anothers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
        };

        (void)alarm(60);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
