/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "client/launch.h"
#include "common/transport-protocol.h"

/* The helper itself, started as the library starts it, with a shell in place of ssh. */

#define TIMEOUT_MS 10000
/* For what happens at once, on a machine that has other things to do. */
#define SOON_MS 5000

extern char **environ;

typedef struct Transport {
        int control;
        int data;
} Transport;

static void start(Transport *t, const char *const *arguments) {
        char name[] = "doorward-transport", *all[8] = {name};
        LaunchSpec spec = {
                .program = TRANSPORT,
                .arguments = all,
                .environment = environ,
                .stays = true,
                .last_words = "",
        };
        int control[2], data[2], fds[2];

        for (size_t i = 0; arguments[i]; i++)
                all[i + 1] = (char *)arguments[i];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data), 0);
        fds[0] = control[1];
        fds[1] = data[1];
        assert_int_equal(launch_consume_fds(&spec, fds, 2), 0);
        *t = (Transport){.control = control[0], .data = data[0]};
}

static void start_shell(Transport *t, const char *script) {
        const char *const arguments[] = {"sh", "-c", script, NULL};

        start(t, arguments);
}

static void stop(Transport *t) {
        t->control = close_fd(t->control);
        t->data = close_fd(t->data);
}

static bool is_readable(int fd, int timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, timeout_ms) == 1;
}

/* False at the end. */
static bool hear(Transport *t, TransportMessage *ret) {
        uint8_t buf[TRANSPORT_MESSAGE_SIZE];
        ssize_t n;

        assert_true(is_readable(t->control, TIMEOUT_MS));
        n = recv(t->control, buf, sizeof(buf), 0);
        assert_true(n >= 0);
        if (n == 0)
                return false;
        assert_int_equal(transport_message_decode(buf, (size_t)n, ret), 0);
        return true;
}

/* Lines do not count. */
static void expect_end(Transport *t, TransportEnd how, uint32_t number, const char *text) {
        TransportMessage message;

        do
                assert_true(hear(t, &message));
        while (message.type == TRANSPORT_LINE);
        assert_int_equal(message.how, how);
        assert_int_equal(message.number, number);
        assert_string_equal(message.text, text);
}

static void expect(Transport *t, const char *text) {
        char buf[256];
        size_t n = strlen(text);

        assert_true(is_readable(t->data, TIMEOUT_MS));
        assert_int_equal(recv(t->data, buf, n, MSG_WAITALL), n);
        buf[n] = 0;
        assert_string_equal(buf, text);
}

static void expect_no_more(Transport *t) {
        char c;

        assert_true(is_readable(t->data, TIMEOUT_MS));
        assert_int_equal(recv(t->data, &c, 1, 0), 0);
}

static void say(Transport *t, const char *text) {
        assert_int_equal(send(t->data, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The number that a script writes into a line. */
static pid_t expect_pid(Transport *t) {
        char buf[32];
        size_t n = 0;

        do {
                assert_true(n < sizeof(buf) && is_readable(t->data, TIMEOUT_MS));
                assert_int_equal(recv(t->data, buf + n, 1, 0), 1);
        } while (buf[n++] != '\n');
        return atoi(buf);
}

/* Or dead, where process 1 has not yet taken note. */
static bool is_dead(pid_t pid) {
        char path[64], line[256] = "";
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
                return true;
        (void)!fgets(line, sizeof(line), f);
        (void)fclose(f);
        return !line[0] || strstr(line, ") Z ");
}

static bool is_gone(pid_t pid, int timeout_ms) {
        for (int i = 0; i < timeout_ms / 10; i++) {
                if (is_dead(pid))
                        return true;
                (void)usleep(10000);
        }
        return false;
}

static void test_both_ways(void **state) {
        Transport t;

        start_shell(&t, "read x; echo \"got $x\"; cat; exit 3");
        say(&t, "hello\n");
        expect(&t, "got hello\n");
        say(&t, "more");
        expect(&t, "more");
        assert_int_equal(shutdown(t.data, SHUT_WR), 0);
        expect_no_more(&t);
        expect_end(&t, TRANSPORT_EXITED, 3, "");
        stop(&t);
}

/* The other side's end passes while this side goes on. */
static void test_half_close(void **state) {
        Transport t;

        start_shell(&t, "exec >/dev/null; read x; echo \"it said $x\" >&2");
        expect_no_more(&t);
        say(&t, "hello\n");
        expect_end(&t, TRANSPORT_EXITED, 0, "it said hello");
        stop(&t);
}

static void test_much(void **state) {
        static char out[1U << 20], in[1U << 20];
        size_t sent = 0, received = 0;
        Transport t;

        for (size_t i = 0; i < sizeof(out); i++)
                out[i] = (char)(i * 7 + i / 251);
        start_shell(&t, "exec cat");
        while (received < sizeof(in)) {
                struct pollfd p = {.fd = t.data,
                                   .events = (short)(POLLIN | (sent < sizeof(out) ? POLLOUT : 0))};
                ssize_t n;

                assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
                if (p.revents & POLLOUT) {
                        n = send(t.data, out + sent, sizeof(out) - sent, MSG_DONTWAIT);
                        assert_true(n > 0 || errno == EAGAIN);
                        sent += n > 0 ? (size_t)n : 0;
                }
                if (p.revents & POLLIN) {
                        n = recv(t.data, in + received, sizeof(in) - received, 0);
                        assert_true(n > 0);
                        received += (size_t)n;
                }
        }
        assert_memory_equal(in, out, sizeof(out));
        stop(&t);
}

/* The library hangs up, and so the program ends: at once, or if it will not, killed. */
static void test_hang_up(void **state) {
        Transport t;
        pid_t pid;

        start_shell(&t, "echo $$; exec sleep 1000");
        pid = expect_pid(&t);
        /* Not close(2) alone: a copy in a child of the host program keeps nothing alive. */
        assert_int_equal(shutdown(t.control, SHUT_RDWR), 0);
        assert_true(is_gone(pid, SOON_MS));
        stop(&t);

        start_shell(&t, "trap '' TERM; echo $$; while :; do sleep 0.1; done");
        pid = expect_pid(&t);
        stop(&t);
        assert_true(is_gone(pid, 9000));

        /* Nobody wants the bytes any more. */
        start_shell(&t, "echo $$; exec sleep 1000");
        pid = expect_pid(&t);
        assert_int_equal(shutdown(t.data, SHUT_RDWR), 0);
        assert_true(is_gone(pid, 9000));
        expect_end(&t, TRANSPORT_KILLED, SIGTERM, "");
        stop(&t);
}

/* As of any socket: what was written before it was closed gets there. */
static void test_what_was_written_before(void **state) {
        enum { SIZE = 50000 };
        static char written[SIZE];
        char name[] = "/tmp/test-transport-XXXXXX", script[128];
        int fd = mkstemp(name);
        struct stat st;
        Transport t;
        pid_t pid;

        assert_true(fd >= 0);
        (void)snprintf(script, sizeof(script), "echo $$; exec cat >%s", name);
        for (unsigned i = 0; i < 20; i++) {
                start_shell(&t, script);
                pid = expect_pid(&t);
                assert_int_equal(send(t.data, written, SIZE, MSG_NOSIGNAL), SIZE);
                assert_int_equal(shutdown(t.control, SHUT_RDWR), 0);
                stop(&t);
                assert_true(is_gone(pid, SOON_MS));
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_equal(st.st_size, SIZE);
        }
        close_fd(fd);
        (void)unlink(name);
}

/* Nor does it outlive the transport. */
static void test_transport_killed(void **state) {
        pid_t transport, pid;
        Transport t;

        start_shell(&t, "echo $PPID; echo $$; exec sleep 1000");
        transport = expect_pid(&t);
        pid = expect_pid(&t);
        assert_int_equal(kill(transport, SIGKILL), 0);
        assert_true(is_gone(pid, SOON_MS));
        assert_true(is_readable(t.control, SOON_MS));
        assert_int_equal(recv(t.control, &pid, sizeof(pid), 0), 0);
        stop(&t);
}

static void test_ends(void **state) {
        static const char *const missing[] = {"/nonexistent/ssh", "x", NULL};
        static const char *const folder[] = {"/etc", NULL};
        Transport t;

        start_shell(&t, "echo one >&2; echo two >&2; printf 'three\\r\\n' >&2; printf four >&2; "
                        "exit 255");
        expect_end(&t, TRANSPORT_EXITED, 255, "two; three; four");
        expect_no_more(&t);
        stop(&t);

        start_shell(&t, "kill -9 $$");
        expect_end(&t, TRANSPORT_KILLED, SIGKILL, "");
        stop(&t);

        start(&t, missing);
        expect_end(&t, TRANSPORT_NOT_RUN, ENOENT, "/nonexistent/ssh");
        expect_no_more(&t);
        stop(&t);

        start(&t, folder);
        expect_end(&t, TRANSPORT_NOT_RUN, EACCES, "/etc");
        stop(&t);
}

/* Whatever else waits: who does not read is told, and so is who waits for a child that has kept the
 * streams. */
static void test_end_is_told_at_once(void **state) {
        struct timespec before, after;
        Transport t;

        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        start_shell(&t, "head -c 1000000 /dev/zero & sleep 0.2; kill -9 $$");
        expect_end(&t, TRANSPORT_KILLED, SIGKILL, "");
        stop(&t);

        start_shell(&t, "sleep 20 & exit 4");
        expect_end(&t, TRANSPORT_EXITED, 4, "");
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        assert_true(after.tv_sec - before.tv_sec <= 10);
        stop(&t);
}

static void test_lines(void **state) {
        TransportMessage message;
        Transport t;

        start_shell(&t, "echo 'Welcome' >&2; echo '{\"ended\":\"revoked\"}' >&2; read x; "
                        "printf '\\033[2J\\tx\\n' >&2");
        assert_true(hear(&t, &message));
        assert_int_equal(message.type, TRANSPORT_LINE);
        assert_string_equal(message.text, "Welcome");
        assert_true(hear(&t, &message));
        assert_string_equal(message.text, "{\"ended\":\"revoked\"}");
        say(&t, "\n");
        assert_true(hear(&t, &message));
        assert_string_equal(message.text, "?[2J x");
        expect_end(&t, TRANSPORT_EXITED, 0, "Welcome; ?[2J x");
        assert_false(hear(&t, &message));
        stop(&t);
}

/* As many as there may be, and then the end. */
static void test_many_lines(void **state) {
        TransportMessage message;
        unsigned n = 0;
        Transport t;

        start_shell(&t, "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | head -c 10000000 >&2; echo end >&2");
        while (hear(&t, &message) && message.type == TRANSPORT_LINE)
                n++;
        assert_true(n > 0 && n <= TRANSPORT_LINES_MAX);
        assert_int_equal(message.type, TRANSPORT_ENDED);
        assert_non_null(strstr(message.text, "; end"));
        stop(&t);
}

/* Who says much to people (ssh, for debugging) does not hide why the lease has ended. */
static void test_news_after_many_lines(void **state) {
        TransportMessage message;
        Transport t;

        start_shell(&t, "yes debug | head -n 200 >&2; read x; echo '{\"ended\":\"revoked\"}' >&2");
        for (unsigned i = 0; i < TRANSPORT_LINES_MAX; i++) {
                assert_true(hear(&t, &message));
                assert_string_equal(message.text, "debug");
        }
        say(&t, "\n");
        assert_true(hear(&t, &message));
        assert_int_equal(message.type, TRANSPORT_LINE);
        assert_string_equal(message.text, "{\"ended\":\"revoked\"}");
        expect_end(&t, TRANSPORT_EXITED, 0, "debug; debug; debug");
        stop(&t);
}

/* However much is said on standard error, and however fast, the bytes pass, and who hangs up is
 * heard. */
static void test_endless_lines(void **state) {
        TransportMessage message;
        Transport t;
        pid_t pid;

        start_shell(&t, "echo $$; for i in 1 2 3; do yes x >&2 & done; read x; echo \"got $x\"; "
                        "exec yes >&2");
        pid = expect_pid(&t);
        say(&t, "hello\n");
        expect(&t, "got hello\n");
        assert_int_equal(shutdown(t.control, SHUT_RDWR), 0);
        assert_true(is_gone(pid, SOON_MS));
        stop(&t);

        /* Nor does the end wait for those who go on. */
        start_shell(&t, "for i in 1 2 3; do yes x >&2 & done; sleep 0.2; exit 4");
        /* Of three that write at once no line need be whole. */
        do
                assert_true(hear(&t, &message));
        while (message.type == TRANSPORT_LINE);
        assert_int_equal(message.how, TRANSPORT_EXITED);
        assert_int_equal(message.number, 4);
        stop(&t);
}

/* The user's own: the environment, the folder, the session; no descriptor but the streams. */
static void test_what_it_finds(void **state) {
        char expected[512], cwd[256];
        Transport t;

        assert_int_equal(setenv("DOORWARD_TEST", "a b", 1), 0);
        assert_non_null(getcwd(cwd, sizeof(cwd)));
        start_shell(&t, "echo \"$DOORWARD_TEST\"; pwd -P; ps -o sid= -p $$ | tr -d ' '; "
                        "ls /proc/$$/fd | tr '\\n' ' '");
        (void)snprintf(expected, sizeof(expected), "a b\n%s\n%d\n0 1 2 ", cwd, (int)getsid(0));
        /* dash has its terminal, if it has one, as 10. */
        expect(&t, expected);
        expect_end(&t, TRANSPORT_EXITED, 0, "");
        stop(&t);
        assert_int_equal(unsetenv("DOORWARD_TEST"), 0);
}

/* ^C in the terminal is for others. */
static void test_signals_of_the_terminal(void **state) {
        Transport t;

        start_shell(&t, "kill -INT $$ $PPID; kill -QUIT $$ $PPID; echo here");
        expect(&t, "here\n");
        expect_end(&t, TRANSPORT_EXITED, 0, "");
        stop(&t);
}

/* By itself it does nothing. */
static void test_alone(void **state) {
        assert_int_not_equal(system(TRANSPORT " true 2>/dev/null </dev/null"), 0);
        assert_int_not_equal(system(TRANSPORT " 2>/dev/null </dev/null"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_half_close),
                cmocka_unit_test(test_much),
                cmocka_unit_test(test_hang_up),
                cmocka_unit_test(test_what_was_written_before),
                cmocka_unit_test(test_transport_killed),
                cmocka_unit_test(test_ends),
                cmocka_unit_test(test_end_is_told_at_once),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_many_lines),
                cmocka_unit_test(test_news_after_many_lines),
                cmocka_unit_test(test_endless_lines),
                cmocka_unit_test(test_what_it_finds),
                cmocka_unit_test(test_signals_of_the_terminal),
                cmocka_unit_test(test_alone),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
