/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The relay runs in a child, in its sandbox where there are no sanitizers; the test is its client,
 * the service and the broker. */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "helpers/filter-relay.h"
#include "helpers/filter-sandbox.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: d\r\n\r\n"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define LINGER_MSEC 300

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

typedef struct Fixture {
        int client, service, broker;
        int ours[3]; /* the relay's ends, until it has them */
        pid_t pid;
} Fixture;

static void run_relay(const Fixture *f) {
        static FilterSession session;
        FilterRelay relay = {
                .client = f->ours[0],
                .service = f->ours[1],
                .broker = f->ours[2],
                .session = &session,
                .linger_msec = LINGER_MSEC,
        };
        int r = 0;

        close_fd(f->client);
        close_fd(f->service);
        close_fd(f->broker);
        filter_session_init(&session, "docker", FILTER_DOCKER_LOGS);
        if (!SANITIZED)
                r = filter_sandbox_enter();
        if (r == 0)
                r = filter_relay_run(&relay);
        _exit(r == 0 ? 0 : 1);
}

static int setup(void **state) {
        const struct timeval patience = {.tv_sec = 10};
        Fixture *f = calloc(1, sizeof(*f));
        int *ends[3];

        if (!f)
                return -1;
        ends[0] = &f->client;
        ends[1] = &f->service;
        ends[2] = &f->broker;
        for (int i = 0; i < 3; i++) {
                int pair[2], type = i == 2 ? SOCK_SEQPACKET : SOCK_STREAM;

                if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0 ||
                    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                        return -1;
                *ends[i] = pair[0];
                f->ours[i] = pair[1];
        }

        f->pid = fork();
        if (f->pid == 0)
                run_relay(f);
        for (int i = 0; i < 3; i++)
                f->ours[i] = close_fd(f->ours[i]);
        *state = f;
        return f->pid < 0 ? -1 : 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (f->pid > 0) {
                (void)kill(f->pid, SIGKILL);
                (void)waitpid(f->pid, NULL, 0);
        }
        close_fd(f->client);
        close_fd(f->service);
        close_fd(f->broker);
        free(f);
        return 0;
}

static void say(int fd, const char *text) {
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Until that is there. */
static void expect(int fd, const char *text) {
        char buf[65536] = "";
        size_t used = 0;

        while (!strstr(buf, text)) {
                ssize_t n = recv(fd, buf + used, sizeof(buf) - 1 - used, 0);

                if (n <= 0)
                        fail_msg("\"%s\" does not come; there is \"%s\"", text, buf);
                used += (size_t)n;
                buf[used] = 0;
        }
}

/* It has hung up, and there is nothing more. */
static void expect_end(int fd) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void expect_exit(Fixture *f) {
        int status = -1;

        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        f->pid = 0;
        assert_int_equal(status, 0);
}

static void ask(const Fixture *f) {
        say(f->client, REQUEST("/_ping"));
        expect(f->service, "GET /_ping HTTP/1.1\r\n");
        say(f->service, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        expect(f->client, "OK\r\n0\r\n\r\n");
}

static void test_requests(void **state) {
        Fixture *f = *state;

        for (int i = 0; i < 100; i++)
                ask(f);
        say(f->client, REQUEST("/containers/a/archive"));
        expect(f->client, "/containers/a/archive");
        ask(f);
        f->client = close_fd(f->client);
        expect_end(f->service);
        expect_exit(f);
        expect_end(f->broker);
}

/* What ends a lease. */
static void test_broker_hangs_up(void **state) {
        Fixture *f = *state;

        say(f->client, REQUEST("/events"));
        expect(f->service, "/events");
        say(f->service, STREAM "{}");
        expect(f->client, "{}");
        f->broker = close_fd(f->broker);
        expect_end(f->client);
        expect_end(f->service);
        expect_exit(f);
}

static void test_service_hangs_up(void **state) {
        Fixture *f = *state;

        ask(f);
        f->service = close_fd(f->service);
        expect_end(f->client);
        expect_end(f->broker);
        expect_exit(f);
}

/* A stream of events, or of logs, has no end but this one. */
static void test_client_leaves_a_stream(void **state) {
        Fixture *f = *state;

        say(f->client, REQUEST("/containers/a/logs?follow=1&stdout=1"));
        expect(f->service, "/logs");
        say(f->service, STREAM "line");
        expect(f->client, "line");
        f->client = close_fd(f->client);
        expect_end(f->service);
        expect_exit(f);
}

/* A client that has said all that it wants gets its answer, and as long as it likes. */
static void test_half_close(void **state) {
        Fixture *f = *state;

        say(f->client, REQUEST("/containers/a/logs?follow=1&stdout=1"));
        assert_int_equal(shutdown(f->client, SHUT_WR), 0);
        expect(f->service, "/logs");
        say(f->service, STREAM "one");
        expect(f->client, "one");
        say(f->service, "two");
        expect(f->client, "two");
        assert_int_equal(shutdown(f->service, SHUT_WR), 0);
        expect(f->client, "0\r\n\r\n");
        expect_end(f->client);
        expect_exit(f);
}

/* Of the relay, in microseconds. */
static int64_t processor_time(const Fixture *f) {
        struct timespec used;
        clockid_t clock;

        assert_int_equal(clock_getcpuclockid(f->pid, &clock), 0);
        assert_int_equal(clock_gettime(clock, &used), 0);
        return used.tv_sec * INT64_C(1000000) + used.tv_nsec / 1000;
}

static void sleep_msec(long msec) {
        (void)poll(NULL, 0, (int)msec);
}

/* The client does not read, the service has more to say and hangs up, the client has said all: none
 * of it is a reason to turn in circles. */
static void test_stalled_reader(void **state) {
        static char block[65536];
        Fixture *f = *state;
        size_t sent = 0, got = 0;
        int64_t before;
        ssize_t n;

        memset(block, ' ', sizeof(block));
        say(f->client, REQUEST("/info"));
        assert_int_equal(shutdown(f->client, SHUT_WR), 0);
        expect(f->service, "/info");
        say(f->service, STREAM "{}");
        for (int i = 0; i < 4; i++) {
                while ((n = send(f->service, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL)) >
                       0)
                        sent += (size_t)n;
                sleep_msec(20);
        }
        f->service = close_fd(f->service);
        sleep_msec(50);
        before = processor_time(f);
        sleep_msec(500);
        assert_true(processor_time(f) - before < 5000);

        while ((n = recv(f->client, block, sizeof(block), 0)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        got += block[i] == ' ';
        assert_true(got > sent);
        assert_true(got < sent + 100);
        expect_exit(f);
}

/* It gets to read why, with all of its body still to come, and is not waited for. */
static void test_refused_body(void **state) {
        static char block[65536];
        Fixture *f = *state;

        say(f->client,
            "POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 64; i++)
                assert_int_equal(send(f->client, block, sizeof(block), MSG_NOSIGNAL),
                                 sizeof(block));
        expect(f->client, "does not pass POST /images/load");
        expect_end(f->client);
        say(f->client, "more");
        f->client = close_fd(f->client);
        expect_exit(f);
}

static void test_refused_client_that_stays(void **state) {
        Fixture *f = *state;

        say(f->client, "POST /images/load HTTP/1.1\r\nHost: d\r\n\r\n");
        expect(f->client, "does not pass POST /images/load");
        expect_exit(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_requests),         TEST(test_broker_hangs_up),
                TEST(test_service_hangs_up), TEST(test_client_leaves_a_stream),
                TEST(test_half_close),       TEST(test_stalled_reader),
                TEST(test_refused_body),     TEST(test_refused_client_that_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
