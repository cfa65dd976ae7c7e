/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cli/joint.h"
#include "cli/loop.h"
#include "tests/support/fds.h"

/* A joint between two services of the test's, and how often it was told of something. */
typedef struct Setup {
        Loop loop;
        Joint joint;
        PipeStore store;
        Source sources[2];
        int client, endpoint; /* the test's ends; -EBADF once they are closed */
        int result;
        unsigned n_events;
        int fds_before;
} Setup;

static void on_side(Source *source, uint32_t events) {
        Setup *s = source->userdata;

        s->n_events++;
        joint_hear(&s->joint, source == &s->sources[1], events);
}

static int setup(void **state) {
        Setup *s = calloc(1, sizeof(*s));
        int client[2], endpoint[2];

        assert_non_null(s);
        (void)signal(SIGPIPE, SIG_IGN);
        s->fds_before = fds_count();
        assert_int_equal(loop_init(&s->loop), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, endpoint), 0);
        s->client = client[1];
        s->endpoint = endpoint[1];
        assert_int_equal(joint_init_consume_fds(&s->joint, client[0], endpoint[0]), 0);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(loop_add(&s->loop, &s->sources[i], s->joint.fds[i],
                                          joint_events(&s->joint, i), on_side, s),
                                 0);
        s->result = JOINT_E_MORE;
        *state = s;
        return 0;
}

static int teardown(void **state) {
        Setup *s = *state;

        for (size_t i = 0; i < 2; i++)
                source_remove(&s->sources[i]);
        joint_deinit(&s->joint);
        pipe_store_deinit(&s->store);
        loop_deinit(&s->loop);
        close_fd(s->client);
        close_fd(s->endpoint);
        assert_int_equal(fds_count(), s->fds_before);
        free(s);
        return 0;
}

/* Until there is nothing to be done any more; what was told of nothing new is counted. */
static void go(Setup *s) {
        for (;;) {
                unsigned before = s->n_events;

                assert_int_equal(loop_turn(&s->loop, 0), 0);
                if (s->n_events == before && s->result != JOINT_E_MORE)
                        return;
                if (s->result == _JOINT_E_OVER)
                        return;

                s->result = joint_process(&s->joint, &s->store);
                for (size_t i = 0; s->result != _JOINT_E_OVER && i < 2; i++)
                        assert_int_equal(source_change(&s->sources[i], joint_events(&s->joint, i)),
                                         0);
        }
}

static void write_all(int fd, const char *text) {
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void assert_read(int fd, const char *text) {
        char buf[256] = {};

        assert_int_equal(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT), strlen(text));
        assert_string_equal(buf, text);
}

static void assert_quiet(int fd) {
        char c;

        assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

static void assert_end(int fd) {
        char c;

        assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static void test_both_ways(void **state) {
        Setup *s = *state;

        write_all(s->client, "question");
        write_all(s->endpoint, "answer");
        go(s);
        assert_read(s->endpoint, "question");
        assert_read(s->client, "answer");
        assert_int_equal(s->result, JOINT_E_WAIT);
        write_all(s->client, "another");
        go(s);
        assert_read(s->endpoint, "another");
        assert_quiet(s->client);
}

/* No pipe, and nothing to be told. */
static void test_idle(void **state) {
        Setup *s = *state;
        unsigned before;

        write_all(s->client, "x");
        go(s);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(s->joint.flows[i].pipe.reader, -EBADF);
        assert_int_equal(s->store.n, 1);

        before = s->n_events;
        go(s);
        go(s);
        assert_int_equal(s->n_events, before);
        assert_read(s->endpoint, "x");
        /* That somebody has read is nothing to be told, either. */
        go(s);
        assert_int_equal(s->n_events, before);
}

static void test_client_ends_first(void **state) {
        Setup *s = *state;

        write_all(s->client, "question");
        assert_int_equal(shutdown(s->client, SHUT_WR), 0);
        go(s);
        assert_read(s->endpoint, "question");
        assert_end(s->endpoint);
        assert_int_equal(s->result, JOINT_E_WAIT);

        write_all(s->endpoint, "answer");
        go(s);
        assert_read(s->client, "answer");
        assert_quiet(s->client);
        assert_int_equal(s->result, JOINT_E_WAIT);

        assert_int_equal(shutdown(s->endpoint, SHUT_WR), 0);
        go(s);
        assert_end(s->client);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

static void test_endpoint_ends_first(void **state) {
        Setup *s = *state;

        write_all(s->endpoint, "greeting");
        assert_int_equal(shutdown(s->endpoint, SHUT_WR), 0);
        go(s);
        assert_read(s->client, "greeting");
        assert_end(s->client);
        assert_int_equal(s->result, JOINT_E_WAIT);

        write_all(s->client, "late");
        go(s);
        assert_read(s->endpoint, "late");
        assert_quiet(s->endpoint);
        assert_int_equal(s->result, JOINT_E_WAIT);

        assert_int_equal(shutdown(s->client, SHUT_WR), 0);
        go(s);
        assert_end(s->endpoint);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

/* What was said before arrives, and both are hung up on. */
static void test_client_gone(void **state) {
        Setup *s = *state;

        write_all(s->client, "last words");
        s->client = close_fd(s->client);
        go(s);
        assert_read(s->endpoint, "last words");
        assert_end(s->endpoint);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

static void test_endpoint_gone(void **state) {
        Setup *s = *state;

        write_all(s->endpoint, "last words");
        s->endpoint = close_fd(s->endpoint);
        go(s);
        assert_read(s->client, "last words");
        assert_end(s->client);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

/* Hung up on with something unread, which the kernel tells by ECONNRESET. */
static void test_reset(void **state) {
        Setup *s = *state;

        write_all(s->client, "question");
        go(s);
        s->endpoint = close_fd(s->endpoint);
        go(s);
        assert_end(s->client);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

static size_t fill(Setup *s, int fd) {
        static const char block[16384];
        size_t sent = 0;
        ssize_t n;

        do {
                n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0)
                        sent += (size_t)n;
                go(s);
        } while (n > 0);

        assert_int_equal(errno, EAGAIN);
        return sent;
}

static size_t drain(Setup *s, int fd) {
        static char block[16384];
        size_t received = 0;
        ssize_t n;

        do {
                n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
                if (n > 0)
                        received += (size_t)n;
                go(s);
        } while (n > 0);

        return received;
}

/* Whoever does not read slows the other side, who is told so; nothing is busy meanwhile; and
 * nothing is lost. The other way goes on. */
static void test_back_pressure(void **state) {
        Setup *s = *state;
        unsigned before;
        size_t sent;

        sent = fill(s, s->client);
        assert_true(sent > 16384 && sent < 8 << 20);
        assert_int_equal(s->result, JOINT_E_WAIT);
        assert_int_equal(s->joint.flows[0].writable, false);

        before = s->n_events;
        go(s);
        assert_int_equal(s->n_events, before);
        write_all(s->endpoint, "answer");
        go(s);
        assert_read(s->client, "answer");

        assert_int_equal(drain(s, s->endpoint), sent);
        assert_quiet(s->endpoint);
        assert_int_equal(fill(s, s->client), sent);
}

/* The client has gone, and the endpoint is slow: that is no reason to be busy, and what was sent
 * arrives. */
static void test_gone_while_the_other_is_slow(void **state) {
        Setup *s = *state;
        unsigned before;
        size_t sent;

        sent = fill(s, s->client);
        s->client = close_fd(s->client);
        go(s);
        assert_int_equal(s->result, JOINT_E_WAIT);
        before = s->n_events;
        go(s);
        assert_int_equal(s->n_events, before);

        /* Whoever writes to one who is gone is told so. */
        assert_int_equal(send(s->endpoint, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
        assert_int_equal(errno, EPIPE);

        assert_int_equal(drain(s, s->endpoint), sent);
        assert_end(s->endpoint);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

/* Both gone with full pipes. */
static void test_both_gone(void **state) {
        Setup *s = *state;

        (void)fill(s, s->client);
        (void)fill(s, s->endpoint);
        s->client = close_fd(s->client);
        s->endpoint = close_fd(s->endpoint);
        go(s);
        assert_int_equal(s->result, _JOINT_E_OVER);
}

/* Many small pieces fill a pipe before its bytes do. */
static void test_small_pieces(void **state) {
        Setup *s = *state;
        unsigned sent = 0, received = 0;
        char c;

        while (sent < 1000 && send(s->client, &(uint8_t){(uint8_t)sent}, 1, MSG_DONTWAIT) == 1)
                sent++;
        go(s);
        while (received < sent) {
                assert_int_equal(recv(s->endpoint, &c, 1, MSG_DONTWAIT), 1);
                assert_int_equal((uint8_t)c, (uint8_t)received);
                received++;
                go(s);
        }
        assert_quiet(s->endpoint);
}

/* What is sent without an end does not keep others waiting. */
static void test_turns(void **state) {
        static const char block[1 << 16];
        Setup *s = *state;
        size_t moved = 0;
        ssize_t n;

        do {
                n = send(s->client, block, sizeof(block), MSG_DONTWAIT);
                s->result = joint_process(&s->joint, &s->store);
                joint_hear(&s->joint, 0, EPOLLIN);
                joint_hear(&s->joint, 1, EPOLLOUT);
                moved += n > 0 ? (size_t)n : 0;
                while (recv(s->endpoint, (char[1 << 16]){}, 1 << 16, MSG_DONTWAIT) > 0)
                        ;
        } while (moved < 4 * JOINT_TURN_BYTES);
        go(s);
        assert_int_equal(s->result, JOINT_E_WAIT);
}

/* Without a descriptor left for a pipe it is said so; nothing is lost, and it goes on later. */
static void test_no_pipe(void **state) {
        Setup *s = *state;
        struct rlimit before, none = {};

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none.rlim_max = before.rlim_max;
        write_all(s->client, "question");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        s->result = joint_process(&s->joint, &s->store);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(s->result, JOINT_E_SHORT);
        assert_quiet(s->endpoint);

        s->result = joint_process(&s->joint, &s->store);
        assert_int_equal(s->result, JOINT_E_WAIT);
        assert_read(s->endpoint, "question");
}

/* Copies of the sockets, as the broker has them, do not keep anybody from being hung up on. */
static void test_copies(void **state) {
        Setup *s = *state;
        int copy = fcntl(s->joint.fds[1], F_DUPFD_CLOEXEC, 3);

        go(s);
        for (size_t i = 0; i < 2; i++)
                source_remove(&s->sources[i]);
        joint_deinit(&s->joint);
        assert_end(s->endpoint);
        assert_end(s->client);
        close_fd(copy);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
                cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
                cmocka_unit_test_setup_teardown(test_client_ends_first, setup, teardown),
                cmocka_unit_test_setup_teardown(test_endpoint_ends_first, setup, teardown),
                cmocka_unit_test_setup_teardown(test_client_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_endpoint_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
                cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
                cmocka_unit_test_setup_teardown(test_gone_while_the_other_is_slow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_both_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_small_pieces, setup, teardown),
                cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_pipe, setup, teardown),
                cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
