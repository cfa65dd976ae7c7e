/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The broker's side of the opener protocol, against openers that this test plays: as they should
 * be, slow, dying, and hostile. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "broker/openers.h"
#include "common/socket.h"
#include "tests/support/fds.h"

#define LONG_USEC (60 * UINT64_C(1000000))

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct Fixture {
        sd_event *event;
        char folder[32];
        char path[64];
        int listen_fd;
        int opener_fd; /* the opener's end of the broker's connection */
        Openers *openers;
        int n_fds; /* how many descriptors were open at the start */
} Fixture;

typedef struct Called {
        unsigned answers;
        int error;
        OpenerReply reply;
        int fd;
} Called;

static const Name docker = {.endpoint = "docker"};
static const Name serial = {.endpoint = "docker", .instance = "ttyS0"};

static int listen_at(const char *path) {
        struct sockaddr_un address;
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int n = socket_address(path, &address);

        assert_true(fd >= 0 && n > 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-openers-XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "%s/docker", f->folder);
        f->listen_fd = listen_at(f->path);
        f->opener_fd = -EBADF;
        f->n_fds = fds_count();

        if (sd_event_new(&f->event) < 0 || openers_new(f->event, f->folder, &f->openers) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        int n;

        openers_free(f->openers);
        sd_event_unref(f->event);
        close_fd(f->opener_fd);
        n = fds_count();
        close_fd(f->listen_fd);
        (void)unlink(f->path);
        (void)rmdir(f->folder);

        /* Nothing leaks, whatever the opener did. */
        if (n != f->n_fds)
                return -1;
        free(f);
        return 0;
}

static void run(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void on_reply(int error, const OpenerReply *reply, int fd, void *userdata) {
        Called *called = userdata;

        called->answers++;
        called->error = error;
        if (reply)
                called->reply = *reply;
        called->fd = fd;
}

static OpenerCall *call_as(Fixture *f, const Name *name, uint64_t usec, Called *called) {
        OpenerCall *call = NULL;

        called->fd = -EBADF;
        assert_int_equal(openers_call(f->openers, name, HASH, ACCESS_FULL, STDIN_FILENO, usec,
                                      on_reply, called, &call),
                         0);
        return call;
}

static OpenerCall *call(Fixture *f, Called *called) {
        return call_as(f, &docker, LONG_USEC, called);
}

/* What the opener gets; a connection is accepted if there is none. */
static OpenerRequest receive(Fixture *f) {
        uint8_t buf[OPENER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        OpenerRequest request;
        ssize_t n;

        if (f->opener_fd < 0)
                f->opener_fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(f->opener_fd >= 0);

        n = socket_receive(f->opener_fd, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);
        assert_int_equal(opener_request_decode(buf, (size_t)n, &request), 0);
        return request;
}

static void reply(Fixture *f, uint32_t id, OpenerStatus status, int fd) {
        OpenerReply message = {.id = id, .status = status, .error = 5, .detail = "because"};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        size_t n = opener_reply_encode(&message, buf);

        assert_int_equal(socket_send(f->opener_fd, buf, n, fd), n);
}

static void test_ok(void **state) {
        Fixture *f = *state;
        OpenerRequest request;
        Called called = {};

        call_as(f, &serial, LONG_USEC, &called);
        request = receive(f);
        assert_int_equal(request.access, ACCESS_FULL);
        assert_string_equal(request.instance, "ttyS0");

        reply(f, request.id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(called.answers, 1);
        assert_int_equal(called.error, 0);
        assert_true(called.fd >= 0);
        assert_int_equal(fcntl(called.fd, F_GETFD), FD_CLOEXEC);
        close_fd(called.fd);
}

static void test_refused(void **state) {
        Fixture *f = *state;
        Called called = {};

        call(f, &called);
        reply(f, receive(f).id, OPENER_STALE, -EBADF);
        run(f);
        assert_int_equal(called.answers, 1);
        assert_int_equal(called.error, 0);
        assert_int_equal(called.reply.status, OPENER_STALE);
        assert_string_equal(called.reply.detail, "because");
        assert_true(called.fd < 0);
}

static void test_answers_out_of_order(void **state) {
        Fixture *f = *state;
        Called a = {}, b = {};
        uint32_t first, second;

        call(f, &a);
        call(f, &b);
        first = receive(f).id;
        second = receive(f).id;
        reply(f, second, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(a.answers, 0);
        assert_int_equal(b.answers, 1);
        reply(f, first, OPENER_PATH, -EBADF);
        run(f);
        assert_int_equal(a.answers, 1);
        assert_int_equal(a.reply.status, OPENER_PATH);
        close_fd(b.fd);
}

static void test_dies(void **state) {
        Fixture *f = *state;
        Called a = {}, b = {}, c = {};

        call(f, &a);
        call(f, &b);
        (void)receive(f);
        f->opener_fd = close_fd(f->opener_fd);
        run(f);
        assert_int_equal(a.answers, 1);
        assert_int_equal(a.error, ECONNRESET);
        assert_int_equal(b.error, ECONNRESET);

        /* The next one starts it again. */
        call(f, &c);
        reply(f, receive(f).id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(c.error, 0);
        close_fd(c.fd);
}

static void test_ended_while_idle(void **state) {
        Fixture *f = *state;
        Called a = {}, b = {};

        call(f, &a);
        reply(f, receive(f).id, OPENER_STALE, -EBADF);
        run(f);

        /* It goes, and is asked before the broker's loop has noticed. */
        f->opener_fd = close_fd(f->opener_fd);
        call(f, &b);
        reply(f, receive(f).id, OPENER_STALE, -EBADF);
        run(f);
        assert_int_equal(b.answers, 1);
        assert_int_equal(b.error, 0);
}

static void test_leaves(void **state) {
        Fixture *f = *state;
        Called a = {}, b = {};
        uint32_t first;
        int leaving;

        call(f, &a);
        first = receive(f).id;

        /* It takes no more, and answers what it has. */
        leaving = f->opener_fd;
        assert_int_equal(shutdown(leaving, SHUT_RD), 0);
        f->opener_fd = -EBADF;
        call(f, &b);
        assert_int_equal(a.answers, 0);
        reply(f, receive(f).id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(b.error, 0);
        close_fd(b.fd);

        close_fd(f->opener_fd);
        f->opener_fd = leaving;
        reply(f, first, OPENER_STALE, -EBADF);
        run(f);
        assert_int_equal(a.answers, 1);
        assert_int_equal(a.error, 0);
        assert_int_equal(a.reply.status, OPENER_STALE);
}

static void test_time_out(void **state) {
        Fixture *f = *state;
        Called called = {}, next = {};
        uint32_t id;

        call_as(f, &docker, 1000, &called);
        id = receive(f).id;
        for (unsigned i = 0; i < 100 && called.answers == 0; i++)
                (void)sd_event_run(f->event, 10000);
        assert_int_equal(called.answers, 1);
        assert_int_equal(called.error, ETIMEDOUT);

        /* What comes late goes to nobody, and harms nobody. */
        reply(f, id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(called.answers, 1);

        call(f, &next);
        reply(f, receive(f).id, OPENER_STALE, -EBADF);
        run(f);
        assert_int_equal(next.answers, 1);
}

static void test_cancelled(void **state) {
        Fixture *f = *state;
        Called called = {};

        assert_null(opener_call_cancel(call(f, &called)));
        reply(f, receive(f).id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(called.answers, 0);
        assert_null(opener_call_cancel(NULL));
}

static void expect_protocol_error(Fixture *f, Called *called) {
        run(f);
        assert_int_equal(called->answers, 1);
        assert_int_not_equal(called->error, 0);
        assert_true(called->fd < 0);
        f->opener_fd = close_fd(f->opener_fd);
}

static void test_hostile(void **state) {
        Fixture *f = *state;
        OpenerReply ok = {.status = OPENER_OK};
        uint8_t buf[OPENER_MESSAGE_SIZE + 64] = {};
        size_t n;

        for (unsigned i = 0; i < 6; i++) {
                Called called = {};

                call(f, &called);
                ok.id = receive(f).id;
                n = opener_reply_encode(&ok, buf);
                if (i == 0) /* a number that nobody used */
                        reply(f, ok.id + 1, OPENER_OK, STDIN_FILENO);
                else if (i == 1) /* ok without a descriptor */
                        reply(f, ok.id, OPENER_OK, -EBADF);
                else if (i == 2) /* a refusal with one */
                        reply(f, ok.id, OPENER_STALE, STDIN_FILENO);
                else if (i == 3) /* a byte too many */
                        assert_true(socket_send(f->opener_fd, buf, n + 1, STDIN_FILENO) > 0);
                else if (i == 4) /* a byte too few */
                        assert_true(socket_send(f->opener_fd, buf, n - 1, STDIN_FILENO) > 0);
                else /* more than there is room for */
                        assert_true(socket_send(f->opener_fd, buf, sizeof(buf), STDIN_FILENO) > 0);
                expect_protocol_error(f, &called);
        }
}

static void test_answered_twice(void **state) {
        Fixture *f = *state;
        Called called = {}, other = {};
        uint32_t id;

        call(f, &called);
        call(f, &other);
        id = receive(f).id;
        reply(f, id, OPENER_STALE, -EBADF);
        reply(f, id, OPENER_OK, STDIN_FILENO);
        run(f);
        assert_int_equal(called.answers, 1);
        assert_int_equal(called.reply.status, OPENER_STALE);
        assert_int_not_equal(other.error, 0);
}

static void test_nobody_listens(void **state) {
        Fixture *f = *state;
        Called called = {};
        OpenerCall *pending;
        Name none = {.endpoint = "none"};

        assert_int_equal(openers_call(f->openers, &none, HASH, ACCESS_FULL, STDIN_FILENO, LONG_USEC,
                                      on_reply, &called, &pending),
                         -ENOENT);
        f->listen_fd = close_fd(f->listen_fd);
        f->n_fds--;
        assert_int_equal(openers_call(f->openers, &docker, HASH, ACCESS_FULL, STDIN_FILENO,
                                      LONG_USEC, on_reply, &called, &pending),
                         -ECONNREFUSED);
        assert_int_equal(called.answers, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_ok, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_answers_out_of_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ended_while_idle, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
                cmocka_unit_test_setup_teardown(test_time_out, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
                cmocka_unit_test_setup_teardown(test_answered_twice, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
