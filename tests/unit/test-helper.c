/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "broker/helper.h"
#include "common/socket.h"
#include "tests/support/listener.h"

typedef struct Fixture {
        char path[64];
        int listener;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "/tmp/test-helper-%d", (int)getpid());
        f->listener = listener_bind(SOCK_SEQPACKET | SOCK_NONBLOCK, f->path);
        if (f->listener < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close_fd(f->listener);
        (void)unlink(f->path);
        free(f);
        return 0;
}

static void test_nobody(void **state) {
        Fixture *f = *state;

        assert_int_equal(helper_connect(f->path), -ECONNREFUSED);
        assert_return_code(unlink(f->path), errno);
        assert_int_equal(helper_connect(f->path), -ENOENT);
}

/* Nobody is waited for. */
static void test_full_queue(void **state) {
        Fixture *f = *state;
        int first, second;

        assert_return_code(listen(f->listener, 0), errno);
        first = helper_connect(f->path);
        assert_true(first >= 0);
        second = helper_connect(f->path);
        assert_int_equal(second, -EAGAIN);
        close_fd(first);
}

/* One message, with what belongs to it, also to who has not accepted yet. */
static void test_request(void **state) {
        SocketAncillary ancillary;
        Fixture *f = *state;
        int fd, accepted;
        char buf[8];

        assert_return_code(listen(f->listener, 4), errno);
        assert_return_code(socket_set_passcred(f->listener), errno);
        fd = helper_connect(f->path);
        assert_true(fd >= 0);
        assert_int_equal(helper_send(fd, "abc", 3, STDIN_FILENO), 0);

        accepted = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        assert_int_equal(socket_receive(accepted, buf, sizeof(buf), 1, &ancillary), 3);
        assert_memory_equal(buf, "abc", 3);
        assert_int_equal(ancillary.n_fds, 1);
        assert_true(ancillary.has_credentials);
        assert_int_equal(ancillary.credentials.pid, getpid());
        close_fd(ancillary.fds[0]);

        close_fd(accepted);
        assert_int_equal(helper_send(fd, "abc", 3, STDIN_FILENO), -ECONNRESET);
        close_fd(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
