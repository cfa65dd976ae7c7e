/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/wait.h"
#include "tests/support/fds.h"

static unsigned n_fds_before;
static int ends[2], epoll_fd;

static int setup(void **state) {
        n_fds_before = fds_count();
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        epoll_fd = wait_fd_new();
        assert_true(epoll_fd > STDERR_FILENO);
        return 0;
}

static int teardown(void **state) {
        close_fd(ends[0]);
        close_fd(ends[1]);
        close_fd(epoll_fd);
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void arm(int fd, short events) {
        Wait wait;

        wait_init(&wait);
        wait_add_fd(&wait, fd, events);
        assert_int_equal(wait_fd_arm(epoll_fd, &wait), 0);
}

static bool is_readable(void) {
        struct pollfd p = {.fd = epoll_fd, .events = POLLIN};

        return poll(&p, 1, 0) == 1;
}

static void test_descriptor(void **state) {
        assert_int_equal(fcntl(epoll_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_false(is_readable());
        /* None is ignored. */
        arm(-EBADF, POLLIN);
        assert_false(is_readable());
}

static void test_events(void **state) {
        char c;

        arm(ends[0], POLLIN);
        assert_false(is_readable());
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_true(is_readable());
        /* As long as it is not taken, however often it is armed. */
        arm(ends[0], POLLIN);
        assert_true(is_readable());
        assert_int_equal(read(ends[0], &c, 1), 1);
        arm(ends[0], POLLIN);
        assert_false(is_readable());

        arm(ends[0], POLLOUT);
        assert_true(is_readable());
        arm(ends[0], 0);
        assert_false(is_readable());
        /* A hang-up is an event in any case. */
        ends[1] = close_fd(ends[1]);
        assert_true(is_readable());
}

/* What is waited for no longer is heard of once at most. */
static void test_left_behind(void **state) {
        arm(ends[0], POLLIN);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_true(is_readable());
        arm(-EBADF, 0);
        assert_false(is_readable());
}

/* A number that is another's by now, */
static void test_number_again(void **state) {
        int number = ends[0], more[2];

        arm(number, POLLIN);
        ends[0] = close_fd(ends[0]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, more), 0);
        assert_int_equal(more[0], number);
        arm(more[0], POLLIN);
        assert_false(is_readable());
        assert_int_equal(write(more[1], "x", 1), 1);
        assert_true(is_readable());
        close_fd(more[0]);
        close_fd(more[1]);
}

/* and a copy, as a child has it, of what was closed. */
static void test_copy(void **state) {
        int copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);

        arm(ends[0], POLLIN);
        ends[0] = close_fd(ends[0]);
        assert_int_equal(write(ends[1], "x", 1), 1);
        arm(-EBADF, 0);
        arm(-EBADF, 0);
        assert_false(is_readable());
        close_fd(copy);
}

static void test_too_late(void **state) {
        int64_t before = channel_deadline(0);
        long long usec;
        Wait wait;

        wait_init(&wait);
        assert_int_equal(wait_get_timeout(&wait, &usec), 0);
        assert_true(usec == INT64_MAX);

        wait_add_deadline(&wait, before + 60000);
        wait_add_deadline(&wait, before + 50);
        wait_add_deadline(&wait, before + 70000);
        assert_int_equal(wait_get_timeout(&wait, &usec), 1);
        assert_true(usec == (before + 50) * 1000);
        wait_add_fd(&wait, ends[0], POLLIN);
        assert_int_equal(wait_block(&wait), 0);
        assert_true(channel_deadline(0) >= before + 50);
        assert_true(channel_deadline(0) < before + 50000);
}

static void on_signal(int number) {}

/* Something may have happened then, too. */
static void test_signal(void **state) {
        const struct itimerval soon = {.it_value = {0, 20000}};
        struct sigaction action = {.sa_handler = on_signal}, before;
        Wait wait;

        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        wait_init(&wait);
        wait_add_fd(&wait, ends[0], POLLIN);
        assert_int_equal(wait_block(&wait), 0);
        assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_descriptor),   TEST(test_events), TEST(test_left_behind),
                TEST(test_number_again), TEST(test_copy),   TEST(test_too_late),
                TEST(test_signal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
