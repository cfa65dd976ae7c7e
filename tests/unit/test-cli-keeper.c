/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/grant.h"
#include "cli/keeper.h"
#include "common/socket.h"
#include "tests/support/fake-broker.h"
#include "tests/support/pty.h"

static pid_t pid_of(int pidfd) {
        char path[64], line[128];
        int pid = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        f = fopen(path, "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "Pid: %d", &pid) == 1)
                        break;
        (void)fclose(f);
        return (pid_t)pid;
}

/* In a child of whoever made the pair, as a helper program is. Ends with what was found. */
static int pin_in_child(int fd, bool use_peerpidfd, unsigned generations) {
        pid_t maker = getpid(), pid;
        int status;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int pidfd = -EBADF, r;

                for (unsigned i = 1; i < generations; i++) {
                        pid_t next = fork();

                        if (next > 0) {
                                if (waitpid(next, &status, 0) != next)
                                        _exit(99);
                                _exit(WEXITSTATUS(status));
                        }
                }
                r = keeper_pin_maker(fd, use_peerpidfd, &pidfd);
                if (r != 0)
                        _exit(r > 0 ? r : 98);
                _exit(pid_of(pidfd) == maker ? 0 : 97);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static bool kernel_has_peerpidfd(int fd) {
        socklen_t n = sizeof(int);
        int pidfd;

        if (getsockopt(fd, SOL_SOCKET, 77, &pidfd, &n) < 0)
                return false;
        close_fd(pidfd);
        return true;
}

static void test_maker_is_ancestor(void **state) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pin_in_child(pair[0], true, 1), 0);
        assert_int_equal(pin_in_child(pair[0], false, 1), 0);
        assert_int_equal(pin_in_child(pair[0], true, 4), 0);
        assert_int_equal(pin_in_child(pair[0], false, 4), 0);
        close_fd(pair[0]);
        close_fd(pair[1]);
}

/* A socket out of a pair that a child made, who is not above us and waits to be killed. */
static int socket_of_child(pid_t *ret) {
        SocketAncillary received;
        int way[2], made[2];
        char c;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, way), 0);
        *ret = fork();
        assert_true(*ret >= 0);
        if (*ret == 0) {
                if (socketpair(AF_UNIX, SOCK_STREAM, 0, made) < 0 ||
                    socket_send(way[1], "x", 1, made[0]) != 1)
                        _exit(1);
                (void)pause();
                _exit(0);
        }

        assert_int_equal(socket_receive(way[0], &c, 1, 1, &received), 1);
        assert_int_equal(received.n_fds, 1);
        close_fd(way[0]);
        close_fd(way[1]);
        return received.fds[0];
}

static void test_maker_is_no_ancestor(void **state) {
        struct pollfd p = {.events = POLLIN};
        int pidfd = -EBADF, fd;
        pid_t pid;

        fd = socket_of_child(&pid);
        assert_int_equal(keeper_pin_maker(fd, false, &pidfd), KEEPER_E_UNKNOWN);
        assert_int_equal(pidfd, -EBADF);

        if (kernel_has_peerpidfd(fd)) {
                assert_int_equal(keeper_pin_maker(fd, true, &pidfd), 0);
                assert_int_equal(pid_of(pidfd), pid);
                p.fd = pidfd;
                assert_int_equal(poll(&p, 1, 0), 0);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        if (pidfd >= 0)
                assert_int_equal(poll(&p, 1, 5000), 1);
        close_fd(pidfd);

        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close_fd(fd);
}

/* Gone, whether or not anybody has asked how it ended. */
static void test_maker_is_gone(void **state) {
        int pidfd = -EBADF, fd;
        siginfo_t info;
        pid_t pid;

        fd = socket_of_child(&pid);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        assert_int_equal(keeper_pin_maker(fd, true, &pidfd), KEEPER_E_GONE);
        assert_int_equal(keeper_pin_maker(fd, false, &pidfd), KEEPER_E_GONE);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(keeper_pin_maker(fd, true, &pidfd), KEEPER_E_GONE);
        assert_int_equal(keeper_pin_maker(fd, false, &pidfd), KEEPER_E_GONE);
        assert_int_equal(pidfd, -EBADF);
        close_fd(fd);
}

static void test_no_socket(void **state) {
        int ends[2], pidfd = -EBADF;

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(keeper_pin_maker(ends[0], true, &pidfd), -ENOTSOCK);
        assert_int_equal(keeper_pin_maker(-EBADF, true, &pidfd), -EBADF);
        close_fd(ends[0]);
        close_fd(ends[1]);
}

/* A socket that is connected to nobody has no other end. */
static void test_unconnected(void **state) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pidfd = -EBADF, r;

        assert_true(fd >= 0);
        r = keeper_pin_maker(fd, true, &pidfd);
        assert_int_equal(r, KEEPER_E_UNKNOWN);
        close_fd(fd);
}

/* Asking, in a terminal: the two processes are one job. */

#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"

static Pty pty;

static int setup_pty(void **state) {
        pty_init(&pty);
        return 0;
}

static int teardown_pty(void **state) {
        pty_deinit(&pty);
        return 0;
}

/* The answer that is expected is the script's data; NULL: it is cancelled, one way or the other. */
static void script_ask(FakeBroker *b) {
        int ends[2], fd;
        char c;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        if (b->data) {
                fake_end_conversation_consume_fd(b, fd, b->data);
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                        fake_fail(b, "socketpair: %s", strerror(errno));
                fake_send_fds(b, GRANT, &ends[0], 1);
                close_fd(ends[1]);
        } else {
                (void)!recv(fd, &c, 1, 0);
                close_fd(fd);
        }
        /* At the latest when the process ends that made the socket. */
        fake_expect_hang_up(b);
}

/* Both ends are the job's own, which is the program that fdpass serves, too. */
static void job_fdpass(PtyOutcome *outcome, void *userdata) {
        Options options = {.fd = -EBADF};
        SocketAncillary received;
        Argument argument;
        int pair[2], maker;
        char c;

        if (grant_read_argument(&options, "docker", false, &argument) >= 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                outcome->r = -1;
                return;
        }
        maker = (int)syscall(SYS_pidfd_open, getpid(), 0);

        outcome->r = keeper_run_consume_fd(&options, &argument, pair[0], maker);
        if (outcome->r == 0 && socket_receive(pair[1], &c, 1, 1, &received) == 1)
                outcome->number = (int)received.n_fds;
}

static FakeBroker *ask(const char *answer) {
        FakeBroker *broker = fake_broker_listen(script_ask, answer);

        pty_start(&pty, PTY_FOREGROUND, job_fdpass, NULL);
        fake_broker_go(broker);
        pty_go(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        return broker;
}

static void finish(FakeBroker *broker, int status) {
        PtyOutcome outcome;

        pty_finish(&pty, &outcome);
        fake_broker_stop(broker);
        assert_int_equal(outcome.r, status);
        assert_int_equal(outcome.number, status == 0 ? 1 : 0);
}

static void test_password(void **state) {
        FakeBroker *broker = ask("geheim");

        pty_type(&pty, "geheim\n");
        finish(broker, 0);
}

/* It is over when the keeper has put the terminal in order, and not before. */
static void test_interrupt(void **state) {
        FakeBroker *broker = ask(NULL);

        pty_type(&pty, "gehe\x03");
        finish(broker, 128 + SIGINT);
}

static void test_terminate(void **state) {
        FakeBroker *broker = ask(NULL);

        pty_type(&pty, "gehe");
        assert_int_equal(kill(pty.job, SIGTERM), 0);
        finish(broker, 128 + SIGTERM);
}

static void test_stop(void **state) {
        FakeBroker *broker = ask("geheim");

        pty_type(&pty, "gehe\x1a");
        pty_expect_stop(&pty, SIGTSTP);
        pty_check_modes(&pty);
        pty_check_nothing_typed(&pty);
        pty_forget(&pty);
        pty_foreground(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        finish(broker, 0);
}

static void test_dismissed(void **state) {
        FakeBroker *broker = ask(NULL);

        pty.may_speak = true;
        pty_type(&pty, "\x04");
        finish(broker, 80 + DOORWARD_ERR_AUTH_CANCELLED);
        assert_non_null(strstr(pty.said, "cancelled"));
}

/* Nobody waits for the answer any more. */
static void test_killed(void **state) {
        FakeBroker *broker = ask(NULL);

        assert_int_equal(kill(pty.job, SIGKILL), 0);
        fake_broker_stop(broker);
}

#define TEST_PTY(function) cmocka_unit_test_setup_teardown(function, setup_pty, teardown_pty)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_maker_is_ancestor),
                cmocka_unit_test(test_maker_is_no_ancestor),
                cmocka_unit_test(test_maker_is_gone),
                cmocka_unit_test(test_no_socket),
                cmocka_unit_test(test_unconnected),
                TEST_PTY(test_password),
                TEST_PTY(test_interrupt),
                TEST_PTY(test_terminate),
                TEST_PTY(test_stop),
                TEST_PTY(test_dismissed),
                TEST_PTY(test_killed),
        };

        (void)alarm(20);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
