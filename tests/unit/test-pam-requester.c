/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "pam/requester.h"
#include "tests/support/asker-pair.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

static const PamRequest step_up = {.use = PAM_USE_STEP_UP, .uid = PAM_PROTOCOL_NO_UID};

static int setup(void **state) {
        int r = asker_pair_setup(state);
        const AskerPair *f = *state;

        if (r == 0)
                assert_int_equal(socket_set_passcred(f->broker), 0);
        return r;
}

static void send_request(AskerPair *f, const PamRequest *request, int fd) {
        uint8_t buf[PAM_REQUEST_SIZE];
        size_t n = pam_request_encode(request, buf);

        assert_int_equal(socket_send(f->broker, buf, n, fd), n);
}

static void test_request(void **state) {
        AskerPair *f = *state;
        PamRequest request = {.use = PAM_USE_AGENT, .uid = 5}, got = {};
        int client = -EBADF;

        /* As long as can be. */
        memset(request.cookie, 'c', PAM_PROTOCOL_COOKIE_MAX);
        send_request(f, &request, STDIN_FILENO);
        assert_int_equal(requester_receive(&f->asker, 1000, &got, &client), 0);
        assert_int_equal(got.use, PAM_USE_AGENT);
        assert_string_equal(got.cookie, request.cookie);
        assert_true(client >= 0);
        assert_int_equal(fcntl(client, F_GETFD), FD_CLOEXEC);
        close_fd(client);
}

/* Nothing was taken; no descriptor stays. */
static void check_refused(AskerPair *f, int expected) {
        int before = fds_count();
        PamRequest got = {.tty = 77};
        int client = 77;

        assert_int_equal(requester_receive(&f->asker, 100, &got, &client), expected);
        assert_int_equal(got.tty, 77);
        assert_int_equal(client, 77);
        assert_int_equal(fds_count(), before);
}

static void test_malformed(void **state) {
        AskerPair *f = *state;
        uint8_t buf[PAM_REQUEST_SIZE + 1] = {};
        size_t n = pam_request_encode(&step_up, buf);

        assert_int_equal(socket_send(f->broker, buf, n - 1, STDIN_FILENO), n - 1);
        check_refused(f, -EBADMSG);
        assert_int_equal(socket_send(f->broker, buf, n + 1, STDIN_FILENO), n + 1);
        check_refused(f, -EBADMSG);
        assert_int_equal(socket_send(f->broker, buf, sizeof(buf), STDIN_FILENO), sizeof(buf));
        check_refused(f, -EBADMSG);
        buf[0]++;
        assert_int_equal(socket_send(f->broker, buf, n, STDIN_FILENO), n);
        check_refused(f, -EBADMSG);
}

/* Another process that was passed the broker's end is not the broker. */
static void test_another_sender(void **state) {
        AskerPair *f = *state;
        uint8_t buf[PAM_REQUEST_SIZE];
        size_t n = pam_request_encode(&step_up, buf);
        pid_t pid = fork();

        if (pid == 0)
                _exit(socket_send(f->broker, buf, n, STDIN_FILENO) != (ssize_t)n);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        check_refused(f, -EBADMSG);

        /* Nor is another user. */
        send_request(f, &step_up, STDIN_FILENO);
        f->asker.uid++;
        check_refused(f, -EBADMSG);
}

static void test_send(void **state) {
        PamReply begun = {.type = PAM_REPLY_BEGUN}, got;
        PamReply verdict = {.type = PAM_REPLY_VERDICT,
                            .code = VERDICT_FAILED,
                            .uid = PAM_PROTOCOL_NO_UID,
                            .detail = "no"};
        AskerPair *f = *state;
        SocketAncillary ancillary;
        uint8_t buf[PAM_REPLY_SIZE];
        ssize_t n;

        assert_int_equal(requester_send(&f->asker, &begun, STDIN_FILENO), 0);
        assert_int_equal(requester_send(&f->asker, &verdict, -EBADF), 0);

        n = socket_receive(f->broker, buf, sizeof(buf), 1, &ancillary);
        assert_int_equal(pam_reply_decode(buf, (size_t)n, &got), 0);
        assert_int_equal(got.type, PAM_REPLY_BEGUN);
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);
        n = socket_receive(f->broker, buf, sizeof(buf), 1, &ancillary);
        assert_int_equal(pam_reply_decode(buf, (size_t)n, &got), 0);
        assert_int_equal(got.code, VERDICT_FAILED);
        assert_int_equal(ancillary.n_fds, 0);

        f->broker = close_fd(f->broker);
        assert_int_equal(requester_send(&f->asker, &verdict, -EBADF), -EPIPE);
}

/* What a module can be at when the broker hangs up. */
typedef enum Busy {
        BUSY_WAITING,
        BUSY_SPINNING,
        BUSY_READING,
        BUSY_POLLING,
} Busy;

_noreturn_ static void be_busy(Busy busy, int fd) {
        static volatile unsigned n;
        char byte;

        for (;;)
                switch (busy) {
                case BUSY_WAITING:
                        (void)pause();
                        break;
                case BUSY_SPINNING:
                        n++;
                        break;
                case BUSY_READING:
                        (void)!read(fd, &byte, 1);
                        break;
                case BUSY_POLLING:
                        (void)poll(NULL, 0, 100000);
                        break;
                }
}

/* A helper in a child, which has told that it watches. */
static pid_t start_watching(AskerPair *f, Busy busy) {
        int fds[2], more[2];
        pid_t pid;
        char byte;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(pipe2(more, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close_fd(f->broker);
                if (requester_watch(&f->asker) < 0)
                        _exit(EXIT_FAILURE);
                (void)!write(fds[1], "w", 1);
                be_busy(busy, more[0]);
        }

        close_fd(fds[1]);
        close_fd(more[0]);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        close_fd(fds[0]);
        close_fd(more[1]);
        return pid;
}

static bool has_ended(pid_t pid, int msec) {
        int pidfd = pidfd_open(pid, 0);
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        bool ended;

        assert_true(pidfd >= 0);
        ended = poll(&p, 1, msec) > 0;
        close_fd(pidfd);
        return ended;
}

static void check_ended_well(pid_t pid) {
        int status = -1;

        if (!has_ended(pid, 5000)) {
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, &status, 0);
                fail_msg("it does not end");
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_hang_up(void **state) {
        static const Busy busy[] = {BUSY_WAITING, BUSY_SPINNING, BUSY_READING, BUSY_POLLING};

        for (size_t i = 0; i < ELEMENTSOF(busy); i++) {
                AskerPair *f;
                pid_t pid;

                assert_int_equal(setup((void **)&f), 0);
                pid = start_watching(f, busy[i]);
                assert_false(has_ended(pid, 50));
                f->broker = close_fd(f->broker);
                check_ended_well(pid);
                assert_int_equal(asker_pair_teardown((void **)&f), 0);
        }
}

static void test_shut_down(void **state) {
        AskerPair *f = *state;
        pid_t pid = start_watching(f, BUSY_WAITING);

        assert_int_equal(shutdown(f->broker, SHUT_WR), 0);
        check_ended_well(pid);
}

/* More from the broker is no reason to end; nor is a signal that somebody sends. */
static void test_no_hang_up(void **state) {
        AskerPair *f = *state;
        pid_t pid = start_watching(f, BUSY_WAITING);

        send_request(f, &step_up, STDIN_FILENO);
        assert_int_equal(kill(pid, SIGIO), 0);
        assert_false(has_ended(pid, 100));
        f->broker = close_fd(f->broker);
        check_ended_well(pid);
}

/* It hung up before anybody watched. */
static void test_hung_up_before(void **state) {
        AskerPair *f = *state;
        pid_t pid;

        f->broker = close_fd(f->broker);
        pid = fork();
        if (pid == 0) {
                int r = requester_watch(&f->asker);

                _exit(r < 0 ? EXIT_FAILURE : EXIT_FAILURE + 1);
        }
        check_ended_well(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, asker_pair_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_request),    TEST(test_malformed),           TEST(test_another_sender),
                TEST(test_send),       cmocka_unit_test(test_hang_up), TEST(test_shut_down),
                TEST(test_no_hang_up), TEST(test_hung_up_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
