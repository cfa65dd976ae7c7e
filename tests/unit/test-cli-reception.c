/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/private-socket.h"
#include "cli/reception.h"
#include "client/channel.h"
#include "common/socket.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define CALL                                                                                \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"full\""
#define HOLD CALL ",\"hold\":true,\"allowInteractiveAuthentication\":true},\"more\":true}"
#define ANOTHER CALL ",\"lease\":\"l1\"}}"
#define LEASED                                                                               \
        "{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":\"revocable\"," \
        "\"lease\":\"l1\",\"kept\":true,\"requestId\":\"r1\""
#define GRANT LEASED "},\"continues\":true}"
#define OPENED LEASED ",\"connection\":0}}"
#define ENDED "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":\"r1\"}}"
#define REFUSED(name)                                                                         \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"requestId\":\"r2\",\"" \
        "hint\":\"h\"}}"

typedef struct Setup {
        FakeBroker *broker;
        Options options;
        Argument argument;
        Loop loop;
        Reception *reception;
        char path[128];
        int pin;
        int status;
        unsigned turns;
} Setup;

static void setup_init(Setup *s, FakeScript script) {
        ReceptionSpec spec;
        int listener;

        *s = (Setup){.options = {.fd = -EBADF}, .status = -1};
        (void)signal(SIGPIPE, SIG_IGN);
        s->broker = fake_broker_start(script, s);
        (void)snprintf(s->path, sizeof(s->path), "%s/private", s->broker->folder);
        listener = private_socket_new(s->path, &s->pin);
        assert_true(listener >= 0);

        assert_int_equal(
                grant_read_argument(&s->options, "doorward:///docker", false, &s->argument), -1);
        assert_int_equal(loop_init(&s->loop), 0);
        spec = (ReceptionSpec){
                .options = &s->options,
                .argument = &s->argument,
                .loop = &s->loop,
                .auth = &grant_auth_desktop,
                .ends_when_kept_out = true,
        };
        assert_int_equal(reception_new_consume(&spec, listener, NULL, &s->reception), 0);
}

static void setup_deinit(Setup *s) {
        (void)reception_free(s->reception);
        loop_deinit(&s->loop);
        private_socket_remove_consume_pin(s->path, s->pin);
        fake_broker_stop(s->broker);
}

static int64_t earlier(int64_t a, int64_t b) {
        return a < b ? a : b;
}

/* Goes on until the descriptor is readable, or hung up on; or for so long. */
static bool go(Setup *s, int fd, int timeout_ms) {
        int64_t until = channel_deadline(timeout_ms);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        for (;;) {
                if (fd >= 0 && poll(&p, 1, 0) > 0)
                        return true;
                if (s->status < 0)
                        s->status = reception_process(s->reception);
                if (s->status >= 0 || channel_deadline_left(until) == 0)
                        return false;

                s->turns++;
                /* The far end is a thread: nobody says when it has said something. */
                assert_int_equal(loop_turn(&s->loop, earlier(reception_get_deadline(s->reception),
                                                             earlier(until, channel_deadline(20)))),
                                 0);
        }
}

static int knock(const Setup *s) {
        struct sockaddr_un address;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

        n = socket_address(s->path, &address);
        assert_int_equal(connect(fd, (const struct sockaddr *)&address, (socklen_t)n), 0);
        return fd;
}

static void assert_hung_up_on_consume(Setup *s, int fd) {
        char c;

        if (!go(s, fd, FAKE_TIMEOUT_MS))
                fail_msg("nothing happens: %s", s->broker->failure);
        assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
        close_fd(fd);
}

static void assert_answered(Setup *s, int fd) {
        char c;

        assert_true(go(s, fd, FAKE_TIMEOUT_MS));
        assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 1);
        assert_int_equal(c, '!');
}

/* What the service says to whoever is joined to it: one byte, and the end. */
static void answer(FakeBroker *b) {
        int service;

        fake_expect(b, ANOTHER);
        service = fake_send_socket(b, OPENED);
        if (write(service, "!", 1) != 1)
                fake_fail(b, "nothing can be said");
        close_fd(service);
}

/* The lease, and the wire for more. */
static int grant(FakeBroker *b) {
        int lease;

        fake_accept(b);
        fake_expect(b, HOLD);
        fake_send(b, GRANT);
        lease = fake_put_aside(b);
        fake_accept(b);
        return lease;
}

static void end(FakeBroker *b, int lease) {
        fake_expect_hang_up(b);
        fake_take_up_consume_fd(b, lease);
        fake_expect_hang_up(b);
}

static void script_three(FakeBroker *b) {
        int lease = grant(b);

        answer(b);
        answer(b);
        answer(b);
        end(b, lease);
}

/* One lease, asked for by the first, and one wire. Two at once are served one after the other. */
static void test_joined(void **state) {
        int before = fds_count(), first, second;
        Setup s;

        setup_init(&s, script_three);
        assert_true(reception_is_idle(s.reception));
        first = knock(&s);
        assert_answered(&s, first);
        assert_hung_up_on_consume(&s, first);
        assert_false(reception_is_idle(s.reception));
        first = knock(&s);
        second = knock(&s);
        assert_answered(&s, first);
        assert_answered(&s, second);
        assert_hung_up_on_consume(&s, first);
        assert_hung_up_on_consume(&s, second);
        assert_true(reception_is_settled(s.reception));
        setup_deinit(&s);
        assert_int_equal(fds_count(), before);
}

static void script_refused(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, HOLD);
        fake_send(b, REFUSED("PermissionDenied"));
        fake_expect_hang_up(b);
        /* Nobody else comes. */
        if (fake_try_accept(b, 300))
                fake_fail(b, "asked again at once");
}

/* Who was refused is hung up on, and so is who comes next, without a question. */
static void test_refused(void **state) {
        Setup s;

        setup_init(&s, script_refused);
        for (int i = 0; i < 20; i++)
                assert_hung_up_on_consume(&s, knock(&s));
        (void)go(&s, -1, 400);
        assert_int_equal(s.status, -1);
        assert_true(reception_is_idle(s.reception));
        setup_deinit(&s);
}

static void script_revoked(FakeBroker *b) {
        int lease = grant(b);

        answer(b);
        fake_expect_silence(b, 50);
        fake_close(b);
        fake_take_up_consume_fd(b, lease);
        fake_send(b, ENDED);
        fake_expect_hang_up(b);
        fake_accept(b);
        fake_expect(b, HOLD);
        fake_send(b, REFUSED("PermissionDenied"));
        fake_expect_hang_up(b);
}

/* The lease was taken back, and the next one is denied: that is the end. */
static void test_kept_out(void **state) {
        Setup s;
        int fd;

        setup_init(&s, script_revoked);
        fd = knock(&s);
        assert_answered(&s, fd);
        assert_hung_up_on_consume(&s, fd);
        (void)go(&s, -1, 300);
        assert_true(reception_is_idle(s.reception));
        assert_int_equal(s.status, -1);
        fd = knock(&s);
        (void)go(&s, -1, FAKE_TIMEOUT_MS);
        assert_int_equal(s.status, exit_status_of_class(DOORWARD_ERR_DENIED));
        close_fd(fd);
        setup_deinit(&s);
}

static void script_restarted(FakeBroker *b) {
        int lease = grant(b);

        /* The wire is hung up on while it is asked; then it is asked once more. */
        fake_expect(b, ANOTHER);
        fake_close(b);
        fake_accept(b);
        answer(b);
        end(b, lease);
}

static void test_wire_hung_up_on(void **state) {
        Setup s;
        int fd;

        setup_init(&s, script_restarted);
        fd = knock(&s);
        assert_answered(&s, fd);
        assert_hung_up_on_consume(&s, fd);
        setup_deinit(&s);
}

static void script_another_lies(FakeBroker *b) {
        int lease = grant(b), fds[2];

        /* Not a socket. */
        fake_expect(b, ANOTHER);
        if (pipe(fds) < 0) {
                fake_fail(b, "no pipe");
                return;
        }
        close_fd(fds[1]);
        fake_send_fds(b, OPENED, fds, 1);
        /* Who is believed no more is hung up on. */
        fake_expect_hang_up(b);
        fake_accept(b);
        fake_expect(b, ANOTHER);
        fake_send(b, "{\"parameters\":{}}");
        fake_expect_hang_up(b);
        fake_accept(b);
        answer(b);
        end(b, lease);
}

/* What is no stream socket, and what cannot be believed, is not for whoever connected. */
static void test_lies(void **state) {
        Setup s;
        int fd;

        setup_init(&s, script_another_lies);
        assert_hung_up_on_consume(&s, knock(&s));
        assert_hung_up_on_consume(&s, knock(&s));
        fd = knock(&s);
        assert_answered(&s, fd);
        assert_hung_up_on_consume(&s, fd);
        setup_deinit(&s);
}

static void script_one(FakeBroker *b) {
        int lease = grant(b);

        answer(b);
        end(b, lease);
}

/* Without a descriptor for whoever knocks nobody is let in, nothing is busy, and it goes on when
 * there is one again. */
static void test_out_of_descriptors(void **state) {
        struct rlimit before, none;
        Setup s;
        int fd;

        setup_init(&s, script_one);
        fd = knock(&s);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_false(go(&s, fd, 600));
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        /* go() itself turns each 20 ms. */
        assert_true(s.turns < 60);
        assert_answered(&s, fd);
        assert_hung_up_on_consume(&s, fd);
        setup_deinit(&s);
}

static void script_heard(FakeBroker *b) {
        int lease = grant(b), service;
        char c;

        fake_expect(b, ANOTHER);
        service = fake_send_socket(b, OPENED);
        if (read(service, &c, 1) != 1 || c != '?')
                fake_fail(b, "nothing was said");
        close_fd(service);
        end(b, lease);
}

/* Whoever looks whether somebody listens, and says nothing, has nothing opened; whoever has said
 * something has, also when they have left. */
static void test_nobody_any_more(void **state) {
        Setup s;
        int fd;

        setup_init(&s, script_heard);
        for (int i = 0; i < 3; i++)
                close_fd(knock(&s));
        (void)go(&s, -1, 200);
        assert_true(reception_is_idle(s.reception));
        fd = knock(&s);
        assert_int_equal(write(fd, "?", 1), 1);
        close_fd(fd);
        for (int i = 0; i < 100; i++) {
                if (!reception_is_idle(s.reception) && reception_is_settled(s.reception))
                        break;
                (void)go(&s, -1, 50);
        }
        assert_false(reception_is_idle(s.reception));
        setup_deinit(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_joined),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_kept_out),
                cmocka_unit_test(test_wire_hung_up_on),
                cmocka_unit_test(test_nobody_any_more),
                cmocka_unit_test(test_lies),
                cmocka_unit_test(test_out_of_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
