/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "helpers/filter-broker.h"
#include "tests/support/fds.h"

typedef struct Fixture {
        int broker, filter;    /* the two ends of their connection */
        int service, opposite; /* what is to be filtered, and what is behind it */
        int before;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        int pair[2];

        if (!f)
                return -1;
        f->before = fds_count();
        if (socket_pair(0, pair) < 0)
                return -1;
        f->broker = pair[0];
        f->filter = pair[1];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -1;
        f->service = pair[0];
        f->opposite = pair[1];
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        int before = f->before;

        close_fd(f->broker);
        close_fd(f->filter);
        close_fd(f->service);
        close_fd(f->opposite);
        free(f);
        return fds_count() == before ? 0 : -1;
}

static void ask(const Fixture *f, int pass_fd) {
        FilterRequest request = {.filter = "docker", .profile = "status", .endpoint = "docker"};
        uint8_t buf[FILTER_MESSAGE_SIZE];
        size_t size = filter_request_encode(&request, buf);

        assert_int_equal(socket_send(f->broker, buf, size, pass_fd), size);
}

static int receive(const Fixture *f, FilterRequest *ret, int *ret_service) {
        Asker broker;

        assert_int_equal(asker_init(&broker, f->filter, getuid()), 0);
        return filter_broker_receive(&broker, 50, ret, ret_service);
}

static int receive_nothing(const Fixture *f) {
        int service = -EBADF, r;
        FilterRequest request;

        r = receive(f, &request, &service);
        assert_int_equal(service, -EBADF);
        return r;
}

static void test_request(void **state) {
        _cleanup_close_ int service = -EBADF;
        const Fixture *f = *state;
        FilterRequest request;
        char c;

        ask(f, f->service);
        assert_int_equal(receive(f, &request, &service), 0);
        assert_string_equal(request.profile, "status");
        assert_int_equal(send(service, "x", 1, 0), 1);
        assert_int_equal(recv(f->opposite, &c, 1, 0), 1);
}

static void test_replies(void **state) {
        const Fixture *f = *state;
        uint8_t buf[FILTER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        Asker broker;
        FilterReply reply;
        ssize_t n;

        assert_int_equal(asker_init(&broker, f->filter, getuid()), 0);
        assert_int_equal(filter_broker_grant(&broker, f->service), 0);
        n = socket_receive(f->broker, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(filter_reply_decode(buf, (size_t)n, &reply), 0);
        assert_true(reply.ok);
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);

        filter_broker_refuse(&broker, EINVAL, "no such profile");
        n = socket_receive(f->broker, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(filter_reply_decode(buf, (size_t)n, &reply), 0);
        assert_false(reply.ok);
        assert_int_equal(reply.error, EINVAL);
        assert_string_equal(reply.text, "no such profile");
        assert_int_equal(ancillary.n_fds, 0);
}

static void test_other_sender(void **state) {
        const Fixture *f = *state;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                ask(f, f->service);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(receive_nothing(f), -EBADMSG);
}

static void test_malformed(void **state) {
        const Fixture *f = *state;

        assert_int_equal(socket_send(f->broker, "x", 1, f->service), 1);
        assert_int_equal(receive_nothing(f), -EBADMSG);
        ask(f, -EBADF);
        assert_int_equal(receive_nothing(f), -EBADMSG);
        assert_int_equal(receive_nothing(f), -ETIMEDOUT);
        assert_int_equal(shutdown(f->broker, SHUT_RDWR), 0);
        assert_int_equal(receive_nothing(f), -EBADMSG);
}

/* What is to be filtered is a connection of the kind that the filter reads. */
static void test_service(void **state) {
        const Fixture *f = *state;
        _cleanup_close_ int unconnected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un any = {.sun_family = AF_UNIX};

        ask(f, f->filter);
        assert_int_equal(receive_nothing(f), -EPROTOTYPE);
        ask(f, 0);
        assert_int_equal(receive_nothing(f), -EPROTOTYPE);
        ask(f, unconnected);
        assert_int_equal(receive_nothing(f), -ENOTCONN);
        if (internet >= 0) {
                ask(f, internet);
                assert_int_equal(receive_nothing(f), -EPROTOTYPE);
        }
        assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
        assert_int_equal(listen(listener, 1), 0);
        ask(f, listener);
        assert_int_equal(receive_nothing(f), -EPROTOTYPE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_request),   TEST(test_replies), TEST(test_other_sender),
                TEST(test_malformed), TEST(test_service),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
