/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include <cmocka.h>

#include "common/pump.h"

/* Nothing here should take a second; what hangs is killed by this. */
#define DEADLINE_S 25
/* How long an idle pump is watched, and how much of that it may compute. */
#define IDLE_US 60000
#define BUSY_US 40000

/* What the pump's own process ends with, for an error at a side. */
#define STATUS(side, error) (100 + 10 * (side) + ((error) == -EMEDIUMTYPE ? 1 : 2))

typedef struct Setup {
        int input[2];    /* [0] is the pump's */
        int output[2];   /* [1] is the pump's */
        int endpoint[2]; /* [0] is the pump's, [1] the backend's */
        int watch[2];    /* [0] is the pump's */
        pid_t pid;
} Setup;

static void hang_up(int *fd) {
        *fd = close_fd(*fd);
}

static PumpWatch watch_once(void *userdata) {
        char c;

        if (read(*(int *)userdata, &c, 1) != 1)
                return PUMP_WATCH_OFF;
        return c == '+' ? PUMP_WATCH_ON : c == '!' ? PUMP_WATCH_END : PUMP_WATCH_OFF;
}

static _noreturn_ void pump_main(Setup *s) {
        PumpSpec spec = {
                .input = s->input[0],
                .output = s->output[1],
                .endpoint = s->endpoint[0],
                .watch_fd = s->watch[0],
                .watch = watch_once,
                .userdata = &s->watch[0],
        };
        PumpSide side = 0;
        int r;

        (void)alarm(DEADLINE_S);
        (void)signal(SIGPIPE, SIG_IGN);
        /* The test's own ends, which would keep an end from being seen. */
        close_fd(s->endpoint[1]);
        close_fd(s->watch[1]);
        if (s->input[1] != s->output[0])
                close_fd(s->output[0]);
        close_fd(s->input[1]);

        r = pump_run(&spec, &side);
        _exit(r == 0 ? 0 : STATUS(side, r));
}

/* Ends that a test did not make are a socket pair for the endpoint, pipes for the others. */
static void setup_init(Setup *s) {
        *s = (Setup){
                .input = {-EBADF, -EBADF},
                .output = {-EBADF, -EBADF},
                .endpoint = {-EBADF, -EBADF},
                .watch = {-EBADF, -EBADF},
        };
}

static void start(Setup *s) {
        if (s->input[0] < 0)
                assert_int_equal(pipe2(s->input, O_CLOEXEC), 0);
        if (s->output[1] < 0)
                assert_int_equal(pipe2(s->output, O_CLOEXEC), 0);
        if (s->endpoint[0] < 0)
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->endpoint),
                                 0);

        s->pid = fork();
        assert_true(s->pid >= 0);
        if (s->pid == 0)
                pump_main(s);

        hang_up(&s->endpoint[0]);
        hang_up(&s->output[1]);
        hang_up(&s->input[0]);
        hang_up(&s->watch[0]);
}

static int finish(Setup *s) {
        int status;

        assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
        if (s->output[0] == s->input[1])
                s->output[0] = -EBADF;
        hang_up(&s->input[1]);
        hang_up(&s->output[0]);
        hang_up(&s->endpoint[1]);
        hang_up(&s->watch[1]);

        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void say(int fd, const char *text) {
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect(int fd, const char *text) {
        char buf[256];
        size_t n = 0;

        while (n < strlen(text)) {
                ssize_t k = read(fd, buf + n, strlen(text) - n);

                assert_true(k > 0);
                n += (size_t)k;
        }
        buf[n] = 0;
        assert_string_equal(buf, text);
}

static void expect_end(int fd) {
        char c;

        assert_int_equal(read(fd, &c, 1), 0);
}

static void assert_not_busy(pid_t pid) {
        char path[64], line[512];
        unsigned long before[2], after[2], ticks, *counts[] = {before, after};

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        for (int i = 0; i < 2; i++) {
                FILE *f = fopen(path, "re");

                assert_non_null(f);
                assert_non_null(fgets(line, sizeof(line), f));
                (void)fclose(f);
                assert_int_equal(sscanf(strrchr(line, ')'),
                                        ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                        &counts[i][0], &counts[i][1]),
                                 2);
                if (i == 0)
                        (void)usleep(IDLE_US);
        }

        ticks = after[0] + after[1] - before[0] - before[1];
        assert_true(ticks * 1000000UL / (unsigned long)sysconf(_SC_CLK_TCK) < BUSY_US);
}

static void test_both_ways(void **state) {
        Setup s;

        setup_init(&s);
        start(&s);
        say(s.input[1], "question");
        expect(s.endpoint[1], "question");
        say(s.endpoint[1], "answer");
        expect(s.output[0], "answer");
        assert_not_busy(s.pid);

        /* The end of the input is passed on and leaves the other way open. */
        hang_up(&s.input[1]);
        expect_end(s.endpoint[1]);
        assert_not_busy(s.pid);
        say(s.endpoint[1], "last words");
        expect(s.output[0], "last words");
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* The input is still open: a terminal at which nobody types. */
static void test_backend_hangs_up(void **state) {
        Setup s;

        setup_init(&s);
        start(&s);
        say(s.endpoint[1], "bye");
        hang_up(&s.endpoint[1]);
        expect(s.output[0], "bye");
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* With something in its queue that it did not read, so that the kernel says ECONNRESET. */
static void test_backend_resets(void **state) {
        Setup s;

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.endpoint), 0);
        say(s.endpoint[0], "unread");
        hang_up(&s.endpoint[1]);
        start(&s);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

static void test_backend_half_closes(void **state) {
        Setup s;

        setup_init(&s);
        start(&s);
        assert_int_equal(shutdown(s.endpoint[1], SHUT_WR), 0);
        expect_end(s.output[0]);
        assert_not_busy(s.pid);
        say(s.input[1], "still there?");
        expect(s.endpoint[1], "still there?");
        hang_up(&s.input[1]);
        expect_end(s.endpoint[1]);
        assert_int_equal(finish(&s), 0);
}

static void test_one_socket(void **state) {
        int pair[2];
        Setup s;

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        s.input[0] = pair[0];
        s.output[1] = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
        s.input[1] = s.output[0] = pair[1];
        start(&s);

        say(pair[1], "hello");
        expect(s.endpoint[1], "hello");
        say(s.endpoint[1], "hello yourself");
        expect(pair[1], "hello yourself");
        assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
        expect_end(s.endpoint[1]);
        say(s.endpoint[1], "more");
        expect(pair[1], "more");
        hang_up(&s.endpoint[1]);
        expect_end(pair[1]);
        assert_int_equal(finish(&s), 0);
}

/* Whoever called us is gone, and the backend has nothing to say. */
static void test_caller_is_gone(void **state) {
        int pair[2];
        Setup s;

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        s.input[0] = pair[0];
        s.output[1] = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
        s.input[1] = s.output[0] = pair[1];
        start(&s);
        close_fd(pair[1]);
        s.input[1] = s.output[0] = -EBADF;
        assert_int_equal(finish(&s), 0);

        setup_init(&s);
        start(&s);
        hang_up(&s.input[1]);
        hang_up(&s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* Nobody reads: as for any program in a pipeline, that is the end once there is something to say,
 * and no sooner: what comes in must get through. */
static void test_nobody_reads(void **state) {
        Setup s;

        setup_init(&s);
        start(&s);
        hang_up(&s.output[0]);
        say(s.input[1], "work");
        expect(s.endpoint[1], "work");
        assert_not_busy(s.pid);
        say(s.endpoint[1], "result");
        assert_int_equal(finish(&s), 0);
}

static void nonblock(int fd) {
        assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static uint8_t pattern(size_t position, unsigned salt) {
        return (uint8_t)(position * 2654435761U >> 13) ^ (uint8_t)salt;
}

#define BULK (6U * 1024 * 1024 + 12345)

typedef struct Stream {
        int fd;
        size_t position;
        unsigned salt;
} Stream;

static bool stream_write(Stream *stream, size_t at_most) {
        uint8_t buf[8192];
        size_t n = BULK - stream->position;
        ssize_t k;

        if (n > at_most)
                n = at_most;
        for (size_t i = 0; i < n; i++)
                buf[i] = pattern(stream->position + i, stream->salt);
        k = n > 0 ? write(stream->fd, buf, n) : 0;
        if (k < 0)
                assert_int_equal(errno, EAGAIN);
        else
                stream->position += (size_t)k;
        return stream->position == BULK;
}

static bool stream_read(Stream *stream) {
        uint8_t buf[8192];
        ssize_t k = read(stream->fd, buf, sizeof(buf));

        if (k < 0)
                assert_int_equal(errno, EAGAIN);
        for (ssize_t i = 0; i < k; i++)
                assert_int_equal(buf[i], pattern(stream->position++, stream->salt));
        return stream->position == BULK;
}

/* Megabytes both ways at once, in odd pieces, with both readers slow: nothing is lost, nothing
 * stands still. */
static void test_bulk(void **state) {
        Stream to_backend, to_output, at_backend, at_output;
        bool done[4] = {};
        Setup s;

        setup_init(&s);
        start(&s);
        to_backend = (Stream){.fd = s.input[1], .salt = 1};
        at_backend = (Stream){.fd = s.endpoint[1], .salt = 1};
        to_output = (Stream){.fd = s.endpoint[1], .salt = 2};
        at_output = (Stream){.fd = s.output[0], .salt = 2};
        nonblock(s.input[1]);
        nonblock(s.endpoint[1]);
        nonblock(s.output[0]);

        for (size_t round = 1; !(done[0] && done[1] && done[2] && done[3]); round++) {
                if (!done[0])
                        done[0] = stream_write(&to_backend, 1 + round * 37 % 8192);
                if (!done[1])
                        done[1] = stream_write(&to_output, 1 + round * 101 % 8192);
                if (!done[2] && round % 3 == 0)
                        done[2] = stream_read(&at_backend);
                if (!done[3] && round % 5 == 0)
                        done[3] = stream_read(&at_output);
        }

        assert_int_equal(fcntl(s.output[0], F_SETFL, 0), 0);
        hang_up(&s.input[1]);
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* The reader is slow and the backend has hung up long ago, which poll(2) never tires of saying. */
static void test_slow_reader(void **state) {
        static char block[4096];
        size_t total = 0, n = 0;
        Setup s;

        setup_init(&s);
        start(&s);
        nonblock(s.endpoint[1]);
        for (int idle = 0; idle < 5;) {
                ssize_t k = write(s.endpoint[1], block, sizeof(block));

                if (k > 0)
                        total += (size_t)k;
                else {
                        (void)usleep(5000);
                        idle++;
                }
        }
        /* What is not read is not taken: pipe, buffer and socket queue are full, and no more. */
        assert_true(total < 1024 * 1024);
        assert_not_busy(s.pid);
        hang_up(&s.endpoint[1]);
        assert_not_busy(s.pid);

        while (n < total) {
                ssize_t k = read(s.output[0], block, sizeof(block));

                assert_true(k > 0);
                n += (size_t)k;
        }
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* The backend does not read. */
static void test_slow_backend(void **state) {
        static char block[4096];
        size_t total = 0;
        Setup s;

        setup_init(&s);
        start(&s);
        nonblock(s.input[1]);
        for (int idle = 0; idle < 5;) {
                ssize_t k = write(s.input[1], block, sizeof(block));

                if (k > 0)
                        total += (size_t)k;
                else {
                        (void)usleep(5000);
                        idle++;
                }
        }
        assert_true(total < 1024 * 1024);
        assert_not_busy(s.pid);

        /* The other way is none the worse. */
        say(s.endpoint[1], "wait");
        expect(s.output[0], "wait");
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

static int make_file(const char *text) {
        int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        char path[64];
        int reopened;

        assert_true(fd >= 0);
        say(fd, text);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        reopened = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(reopened >= 0);
        close_fd(fd);
        return reopened;
}

/* A file to read: its end is the end, and the input is left alone. */
static void test_read_only_file(void **state) {
        int left;
        Setup s;

        setup_init(&s);
        s.endpoint[0] = make_file("log line\n");
        assert_int_equal(pipe2(s.input, O_CLOEXEC), 0);
        left = fcntl(s.input[0], F_DUPFD_CLOEXEC, 3);
        say(s.input[1], "typed ahead");
        start(&s);
        expect(s.output[0], "log line\n");
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
        expect(left, "typed ahead");
        close_fd(left);
}

static void test_file_to_file(void **state) {
        int out = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        char buf[64] = {};
        Setup s;

        setup_init(&s);
        s.endpoint[0] = make_file("content");
        s.input[0] = make_file("");
        s.output[1] = fcntl(out, F_DUPFD_CLOEXEC, 3);
        start(&s);
        assert_int_equal(finish(&s), 0);
        assert_int_equal(pread(out, buf, sizeof(buf) - 1, 0), strlen("content"));
        assert_string_equal(buf, "content");
        close_fd(out);
}

static void test_input_file(void **state) {
        Setup s;

        setup_init(&s);
        s.input[0] = make_file("from a file");
        start(&s);
        expect(s.endpoint[1], "from a file");
        expect_end(s.endpoint[1]);
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* A terminal line as the endpoint, as serial@ has it. */
static void test_device(void **state) {
        struct termios raw = {};
        Setup s;

        setup_init(&s);
        cfmakeraw(&raw);
        assert_int_equal(openpty(&s.endpoint[1], &s.endpoint[0], NULL, &raw, NULL), 0);
        start(&s);
        say(s.input[1], "AT\r");
        expect(s.endpoint[1], "AT\r");
        say(s.endpoint[1], "OK\r\n");
        expect(s.output[0], "OK\r\n");
        assert_not_busy(s.pid);
        /* The line does not end with the input: it has no half. */
        hang_up(&s.input[1]);
        say(s.endpoint[1], "RING\r\n");
        expect(s.output[0], "RING\r\n");
        assert_not_busy(s.pid);
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* A device that takes no more while it waits for us to read: only who never waits goes on. */
static void test_device_stands_still(void **state) {
        struct termios raw = {};
        static char block[4096];
        size_t n = 0;
        Setup s;

        setup_init(&s);
        cfmakeraw(&raw);
        assert_int_equal(openpty(&s.endpoint[1], &s.endpoint[0], NULL, &raw, NULL), 0);
        start(&s);
        nonblock(s.input[1]);
        for (int idle = 0; idle < 5;) {
                if (write(s.input[1], block, sizeof(block)) < 0) {
                        (void)usleep(5000);
                        idle++;
                }
        }
        say(s.endpoint[1], "read me");
        expect(s.output[0], "read me");
        assert_not_busy(s.pid);

        hang_up(&s.input[1]);
        nonblock(s.endpoint[1]);
        for (int idle = 0; idle < 10;) {
                ssize_t k = read(s.endpoint[1], block, sizeof(block));

                if (k > 0)
                        n += (size_t)k;
                else {
                        (void)usleep(5000);
                        idle++;
                }
        }
        assert_true(n >= 65536);
        hang_up(&s.endpoint[1]);
        assert_int_equal(finish(&s), 0);
}

static void test_fifo(void **state) {
        Setup s;

        setup_init(&s);
        assert_int_equal(pipe2(s.endpoint, O_CLOEXEC), 0);
        start(&s);
        say(s.endpoint[1], "through");
        expect(s.output[0], "through");
        hang_up(&s.endpoint[1]);
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

/* Open for writing only: nothing ever comes back. */
static void test_write_only(void **state) {
        int ends[2];
        Setup s;

        setup_init(&s);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        s.endpoint[0] = ends[1];
        s.endpoint[1] = ends[0];
        start(&s);
        expect_end(s.output[0]);
        say(s.input[1], "one way");
        expect(s.endpoint[1], "one way");
        hang_up(&s.input[1]);
        assert_int_equal(finish(&s), 0);
}

static void test_message_boundaries(void **state) {
        int pair[2];
        Setup s;

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s.endpoint), 0);
        start(&s);
        assert_int_equal(finish(&s), STATUS(PUMP_ENDPOINT, -EMEDIUMTYPE));

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s.input), 0);
        start(&s);
        assert_int_equal(finish(&s), STATUS(PUMP_INPUT, -EMEDIUMTYPE));

        setup_init(&s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        s.output[0] = pair[0];
        s.output[1] = pair[1];
        start(&s);
        assert_int_equal(finish(&s), STATUS(PUMP_OUTPUT, -EMEDIUMTYPE));
}

static void test_full_disk(void **state) {
        Setup s;

        setup_init(&s);
        s.output[1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_true(s.output[1] >= 0);
        start(&s);
        say(s.endpoint[1], "no room for this");
        assert_int_equal(finish(&s), STATUS(PUMP_OUTPUT, -ENOSPC));
}

/* The flags belong to everybody who has the file open: the shell, or the broker. */
static void test_flags(void **state) {
        int copies[3];
        Setup s;

        setup_init(&s);
        assert_int_equal(pipe2(s.input, O_CLOEXEC), 0);
        assert_int_equal(pipe2(s.output, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.endpoint), 0);
        copies[0] = fcntl(s.input[0], F_DUPFD_CLOEXEC, 3);
        copies[1] = fcntl(s.output[1], F_DUPFD_CLOEXEC, 3);
        copies[2] = fcntl(s.endpoint[0], F_DUPFD_CLOEXEC, 3);
        start(&s);
        say(s.input[1], "x");
        expect(s.endpoint[1], "x");
        say(s.endpoint[1], "y");
        expect(s.output[0], "y");
        for (int i = 0; i < 3; i++) {
                assert_int_equal(fcntl(copies[i], F_GETFL) & O_NONBLOCK, 0);
                close_fd(copies[i]);
        }
        hang_up(&s.input[1]);
        hang_up(&s.endpoint[1]);
        assert_int_equal(finish(&s), 0);
}

static void test_watch(void **state) {
        Setup s;

        setup_init(&s);
        assert_int_equal(pipe2(s.watch, O_CLOEXEC), 0);
        start(&s);
        say(s.watch[1], "+");
        say(s.input[1], "a");
        expect(s.endpoint[1], "a");
        say(s.watch[1], "-");
        say(s.input[1], "b");
        expect(s.endpoint[1], "b");
        /* Watched no more: it may say what it likes. */
        say(s.watch[1], "+++");
        assert_not_busy(s.pid);
        hang_up(&s.input[1]);
        hang_up(&s.endpoint[1]);
        assert_int_equal(finish(&s), 0);
}

/* Whatever is still on its way. */
static void test_watch_that_ends_it(void **state) {
        Setup s;

        setup_init(&s);
        assert_int_equal(pipe2(s.watch, O_CLOEXEC), 0);
        start(&s);
        say(s.input[1], "a");
        expect(s.endpoint[1], "a");
        say(s.watch[1], "!");
        expect_end(s.output[0]);
        assert_int_equal(finish(&s), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_backend_hangs_up),
                cmocka_unit_test(test_backend_resets),
                cmocka_unit_test(test_backend_half_closes),
                cmocka_unit_test(test_one_socket),
                cmocka_unit_test(test_caller_is_gone),
                cmocka_unit_test(test_nobody_reads),
                cmocka_unit_test(test_bulk),
                cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_slow_backend),
                cmocka_unit_test(test_read_only_file),
                cmocka_unit_test(test_file_to_file),
                cmocka_unit_test(test_input_file),
                cmocka_unit_test(test_device),
                cmocka_unit_test(test_device_stands_still),
                cmocka_unit_test(test_fifo),
                cmocka_unit_test(test_write_only),
                cmocka_unit_test(test_message_boundaries),
                cmocka_unit_test(test_full_disk),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_watch),
                cmocka_unit_test(test_watch_that_ends_it),
        };

        (void)alarm(DEADLINE_S);
        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
