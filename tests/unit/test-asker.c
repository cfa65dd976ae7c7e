/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/asker.h"
#include "common/socket.h"
#include "tests/support/asker-pair.h"
#include "tests/support/fds.h"

/* Nothing was found out. */
static void check_init(int fd, uid_t uid, int expected) {
        Asker asker = {.fd = 77};

        assert_int_equal(asker_init(&asker, fd, uid), expected);
        assert_int_equal(asker.fd, 77);
}

static void check_type(int type, bool passcred) {
        int a, b;

        asker_pair_make(type, &a, &b);
        if (passcred)
                assert_int_equal(socket_set_passcred(a), 0);
        check_init(a, getuid(), -EPROTOTYPE);
        close_fd(a);
        close_fd(b);
}

static void test_init(void **state) {
        AskerPair *f = *state;
        int fd;

        assert_int_equal(f->asker.fd, f->helper);
        assert_int_equal(f->asker.pid, getpid());
        assert_int_equal(f->asker.uid, getuid());
        check_init(f->helper, getuid() + 1, -EPERM);

        check_type(SOCK_SEQPACKET, false); /* messages that do not say who sent them */
        check_type(SOCK_STREAM, true);
        check_type(SOCK_DGRAM, true);

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
                         0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(socket_set_passcred(fd), 0);
        check_init(fd, getuid(), -EPROTOTYPE);
        close_fd(fd);

        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        check_init(fd, getuid(), -EPROTOTYPE);
        close_fd(fd);
        check_init(fd, getuid(), -EPROTOTYPE);
}

static void test_message(void **state) {
        AskerPair *f = *state;
        char buf[4] = {};
        int fd = -EBADF;

        assert_int_equal(socket_send(f->broker, "four", 4, STDIN_FILENO), 4);
        assert_int_equal(asker_receive(&f->asker, 1000, buf, sizeof(buf), &fd), 4);
        assert_memory_equal(buf, "four", 4);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close_fd(fd);
}

/* Nothing was taken; no descriptor stays. */
static void check_refused(const AskerPair *f, int expected) {
        unsigned before = fds_count();
        int fd = 77;
        char buf[4];

        assert_int_equal(asker_receive(&f->asker, 100, buf, sizeof(buf), &fd), expected);
        assert_int_equal(fd, 77);
        assert_int_equal(fds_count(), before);
}

static void test_nothing(void **state) {
        check_refused(*state, -ETIMEDOUT);
}

static void test_gone(void **state) {
        AskerPair *f = *state;

        f->broker = close_fd(f->broker);
        check_refused(f, -EBADMSG);
}

static void test_without_descriptor(void **state) {
        const AskerPair *f = *state;

        assert_int_equal(socket_send(f->broker, "x", 1, -EBADF), 1);
        check_refused(f, -EBADMSG);
}

static void test_two_descriptors(void **state) {
        const AskerPair *f = *state;
        struct iovec iov = {(char[]){'x'}, 1};
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(2 * sizeof(int))];
        } control = {.align = {CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

        memcpy(CMSG_DATA(&control.align), (int[]){STDIN_FILENO, STDIN_FILENO}, 2 * sizeof(int));
        assert_int_equal(sendmsg(f->broker, &msg, 0), 1);
        check_refused(f, -EBADMSG);
}

static void test_too_long(void **state) {
        const AskerPair *f = *state;

        assert_int_equal(socket_send(f->broker, "fives", 5, STDIN_FILENO), 5);
        check_refused(f, -EBADMSG);
}

/* Another process that was passed the broker's end is not the broker. */
static void test_another_sender(void **state) {
        AskerPair *f = *state;
        pid_t pid = fork();

        if (pid == 0)
                _exit(socket_send(f->broker, "x", 1, STDIN_FILENO) != 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        check_refused(f, -EBADMSG);

        /* Nor is another user. */
        assert_int_equal(socket_send(f->broker, "x", 1, STDIN_FILENO), 1);
        f->asker.uid++;
        check_refused(f, -EBADMSG);
}

static void test_send(void **state) {
        AskerPair *f = *state;
        SocketAncillary ancillary;
        char c;

        assert_int_equal(asker_send(&f->asker, "a", 1, STDIN_FILENO), 0);
        assert_int_equal(asker_send(&f->asker, "b", 1, -EBADF), 0);
        assert_int_equal(socket_receive(f->broker, &c, 1, 1, &ancillary), 1);
        assert_int_equal(c, 'a');
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);
        assert_int_equal(socket_receive(f->broker, &c, 1, 1, &ancillary), 1);
        assert_int_equal(c, 'b');
        assert_int_equal(ancillary.n_fds, 0);

        f->broker = close_fd(f->broker);
        assert_int_equal(asker_send(&f->asker, "c", 1, -EBADF), -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, asker_pair_setup, asker_pair_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_init),
                TEST(test_message),
                TEST(test_nothing),
                TEST(test_gone),
                TEST(test_without_descriptor),
                TEST(test_two_descriptors),
                TEST(test_too_long),
                TEST(test_another_sender),
                TEST(test_send),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
