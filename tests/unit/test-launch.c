/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/launch.h"
#include "tests/support/fds.h"

#define TIMEOUT_MS 10000
#define LAST_WORDS "not found"
#define THREADS 16

static char *const arguments[] = {(char *)"launched", (char *)"--word=a b", NULL};
static char *const environment[] = {(char *)"LANG=C.UTF-8", (char *)"EMPTY=", NULL};

static volatile sig_atomic_t n_sigchld;
static pid_t own_pid;

static int launch(const char *program, int fd) {
        LaunchSpec spec = {
                .program = program,
                .arguments = arguments,
                .environment = environment,
                .last_words = LAST_WORDS,
                .n_last_words = strlen(LAST_WORDS),
        };

        return launch_consume_fd(&spec, fd);
}

/* What came over the descriptor until its end. False if there was no end in time. */
static bool listen_to(int fd, char *buf, size_t size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        size_t used = 0;
        ssize_t n = 1;

        while (n > 0) {
                int r = poll(&p, 1, TIMEOUT_MS);

                if (r < 0 && errno == EINTR)
                        continue;
                n = r == 1 ? recv(fd, buf + used, size - 1 - used, 0) : -1;
                if (n > 0)
                        used += (size_t)n;
        }

        buf[used] = 0;
        return n == 0;
}

static int try_launch(const char *program, char *buf, size_t size) {
        int ends[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;

        r = launch(program, ends[1]);
        if (r == 0 && !listen_to(ends[0], buf, size))
                r = -ETIMEDOUT;
        close_fd(ends[0]);
        return r;
}

static void check_launch(char *buf, size_t size) {
        assert_int_equal(try_launch(LAUNCHED, buf, size), 0);
        assert_non_null(strstr(buf, "argument launched\nargument --word=a b\n"));
}

/* No child, alive or dead, of any kind. */
static void check_childless(void) {
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(errno, ECHILD);
}

/* Nothing but what it is meant to have. */
static void test_what_it_finds(void **state) {
        int open_fd = open("/etc/passwd", O_RDONLY), high;
        struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
        unsigned n_fds;
        sigset_t some;
        char buf[8192];

        /* What a careless host program would hand down. */
        assert_true(open_fd >= 0);
        high = fcntl(open_fd, F_DUPFD, 200);
        assert_int_equal(high, 200);
        assert_int_equal(sigaction(SIGUSR1, &ignore, &before), 0);
        (void)sigemptyset(&some);
        (void)sigaddset(&some, SIGTERM);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, &some, NULL), 0);

        n_fds = fds_count();
        check_launch(buf, sizeof(buf));
        assert_int_equal(fds_count(), n_fds);

        assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &some, NULL), 0);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
        close_fd(high);
        close_fd(open_fd);

        assert_ptr_equal(strstr(buf, "fd "), buf);
        assert_non_null(strstr(buf, "fd 0 /dev/null\nfd 1 /dev/null\nfd 2 /dev/null\nfd 3 \n"
                                    "argument "));
        assert_null(strstr(buf, "blocked"));
        assert_null(strstr(buf, "not default"));
        assert_non_null(strstr(buf, "argument launched\nargument --word=a b\n"
                                    "environment LANG=C.UTF-8\nenvironment EMPTY=\n"
                                    "folder /\nleads no\n"));
        assert_int_not_equal(atoi(strstr(buf, "session ") + 8), getsid(0));
        check_childless();
}

/* The terminal, and who may be asked there, are of the session. */
static void test_what_stays(void **state) {
        const LaunchSpec spec = {
                .program = LAUNCHED,
                .arguments = arguments,
                .environment = environment,
                .stays = true,
                .last_words = LAST_WORDS,
                .n_last_words = strlen(LAST_WORDS),
        };
        char buf[8192], folder[256], expected[512];
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(launch_consume_fd(&spec, ends[1]), 0);
        assert_true(listen_to(ends[0], buf, sizeof(buf)));
        close_fd(ends[0]);

        assert_non_null(getcwd(folder, sizeof(folder)));
        (void)snprintf(expected, sizeof(expected), "folder %s\nleads no\nsession %d\n", folder,
                       (int)getsid(0));
        assert_non_null(strstr(buf, expected));
        check_childless();
}

/* Several, whatever their numbers are. */
static void test_descriptors(void **state) {
        const LaunchSpec spec = {
                .program = LAUNCHED,
                .arguments = arguments,
                .environment = environment,
                .last_words = LAST_WORDS,
                .n_last_words = strlen(LAST_WORDS),
        };
        /* Out of the way, and where each is to go, the other way round. */
        static const int numbers[][3] = {{30, 31, 32}, {5, 4, 3}};
        int too_many[LAUNCH_FDS_MAX + 1], ends[2];
        unsigned n_fds = fds_count();
        char buf[8192];

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                const int *fds = numbers[i];
                int above, null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
                above = fcntl(ends[0], F_DUPFD_CLOEXEC, 40);
                assert_int_equal(dup3(ends[1], 50, O_CLOEXEC), 50);
                assert_int_equal(dup3(null_fd, 51, O_CLOEXEC), 51);
                close_fd(ends[0]);
                close_fd(ends[1]);
                close_fd(null_fd);
                for (int j = 0; j < 3; j++)
                        assert_int_equal(dup3(j == 0 ? 50 : 51, fds[j], O_CLOEXEC), fds[j]);
                close_fd(50);
                close_fd(51);

                assert_int_equal(launch_consume_fds(&spec, fds, 3), 0);
                assert_true(listen_to(above, buf, sizeof(buf)));
                close_fd(above);
                assert_non_null(strstr(buf, "fd 3 \nfd 4 /dev/null\nfd 5 /dev/null\nargument "));
        }
        assert_int_equal(fds_count(), n_fds);

        for (size_t i = 0; i < ELEMENTSOF(too_many); i++)
                too_many[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(launch_consume_fds(&spec, too_many, ELEMENTSOF(too_many)), -EINVAL);
        assert_int_equal(fds_count(), n_fds);
        assert_int_equal(launch_consume_fds(&spec, NULL, 0), -EINVAL);
}

/* Whatever numbers are free. */
static void test_numbers(void **state) {
        int saved[4], ends[2];
        char buf[8192];

        for (int i = 0; i < 4; i++)
                saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);

        for (int closed = 0; closed < 8; closed++) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
                for (int i = 0; i < 2; i++) {
                        int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 30);

                        close_fd(ends[i]);
                        ends[i] = moved;
                }
                assert_true(dup3(ends[1], closed % 2 ? 3 : 10, O_CLOEXEC) >= 0);
                close_fd(ends[1]);
                for (int i = 0; i < 3; i++)
                        if (closed & (1 << i))
                                (void)close(i);

                assert_int_equal(launch(LAUNCHED, closed % 2 ? 3 : 10), 0);
                assert_true(listen_to(ends[0], buf, sizeof(buf)));
                close_fd(ends[0]);

                for (int i = 0; i < 3; i++)
                        if (saved[i] >= 0)
                                assert_int_equal(dup2(saved[i], i), i);
                assert_non_null(strstr(buf, "fd 0 /dev/null\nfd 1 /dev/null\nfd 2 /dev/null\n"
                                            "fd 3 \nargument "));
        }

        for (int i = 0; i < 4; i++) {
                if (saved[i] >= 0)
                        assert_int_equal(dup2(saved[i], i), i);
                else
                        (void)close(i);
                close_fd(saved[i]);
        }
}

static void on_sigchld(int number) {
        n_sigchld++;
}

/* A host program that takes every child for its own. */
static void on_sigchld_reap(int number) {
        n_sigchld++;
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
}

static void test_sigchld(void **state) {
        const struct sigaction actions[] = {
                {.sa_handler = SIG_DFL},
                {.sa_handler = SIG_IGN},
                {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT},
                {.sa_handler = on_sigchld},
                {.sa_handler = on_sigchld_reap, .sa_flags = SA_RESTART},
        };
        struct sigaction before;
        char buf[8192];

        assert_int_equal(sigaction(SIGCHLD, NULL, &before), 0);
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                n_sigchld = 0;
                assert_int_equal(sigaction(SIGCHLD, &actions[i], NULL), 0);
                check_launch(buf, sizeof(buf));
                check_childless();
                assert_int_equal(n_sigchld, 0);
        }
        assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void *wait_for_all(void *userdata) {
        const bool *stop = userdata;

        while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
                (void)waitpid(-1, NULL, WNOHANG | __WALL);
                (void)poll(NULL, 0, 0);
        }
        return NULL;
}

/* Even one that looks for children which want no signal: nothing to wait for is no failure. */
static void test_faster_waiter(void **state) {
        bool stop = false;
        pthread_t thread;
        char buf[8192];

        assert_int_equal(pthread_create(&thread, NULL, wait_for_all, &stop), 0);
        for (int i = 0; i < 50; i++)
                check_launch(buf, sizeof(buf));
        __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Of the host program: is not to run in a copy of it. */
static void on_fork(void) {
        if (getpid() != own_pid)
                _exit(EXIT_FAILURE);
}

static void test_atfork_handlers(void **state) {
        char buf[8192];

        own_pid = getpid();
        assert_int_equal(pthread_atfork(on_fork, on_fork, on_fork), 0);
        check_launch(buf, sizeof(buf));
}

static void test_missing(void **state) {
        char buf[8192];

        assert_int_equal(try_launch("/nonexistent/program", buf, sizeof(buf)), 0);
        assert_string_equal(buf, LAST_WORDS);
        assert_int_equal(try_launch("/etc/passwd", buf, sizeof(buf)), 0);
        assert_string_equal(buf, LAST_WORDS);
        check_childless();
}

/* The mask and what else was changed for a moment are as they were. */
static void test_thread_is_as_before(void **state) {
        sigset_t some, before, after;
        char buf[8192];
        int cancel;

        (void)sigemptyset(&some);
        (void)sigaddset(&some, SIGUSR2);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &some, &before), 0);
        check_launch(buf, sizeof(buf));
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
        for (int i = 1; i < NSIG; i++)
                assert_int_equal(sigismember(&after, i), sigismember(&some, i));
        assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &cancel), 0);
        assert_int_equal(cancel, PTHREAD_CANCEL_ENABLE);
}

static void *launch_in_thread(void *userdata) {
        int *r = userdata;
        char buf[8192];

        for (int i = 0; i < 5 && *r == 0; i++) {
                *r = try_launch(LAUNCHED, buf, sizeof(buf));
                /* The other threads' descriptors do not go along. */
                if (*r == 0 && !strstr(buf, "fd 3 \nargument "))
                        *r = -EBADMSG;
        }
        return NULL;
}

static void test_threads(void **state) {
        pthread_t threads[THREADS];
        int results[THREADS] = {};
        int n_fds = fds_count();

        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, launch_in_thread, &results[i]),
                                 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(results[i], 0);
        }
        assert_int_equal(fds_count(), n_fds);
        check_childless();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_it_finds),
                cmocka_unit_test(test_what_stays),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_sigchld),
                cmocka_unit_test(test_faster_waiter),
                cmocka_unit_test(test_atfork_handlers),
                cmocka_unit_test(test_missing),
                cmocka_unit_test(test_thread_is_as_before),
                cmocka_unit_test(test_threads),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
