/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "tests/support/fds.h"
#include "tests/support/wire-fixture.h"

void fixture_start_broker(Fixture *f, FakeScript script, const void *data) {
        *f = (Fixture){.n_fds = fds_count(), .reply = WIRE_REPLY_NULL};
        f->broker = fake_broker_start(script, data);
}

void fixture_start(Fixture *f, FakeScript script, const void *data) {
        fixture_start_broker(f, script, data);
        assert_int_equal(wire_open(NULL, WIRE_TIMEOUT_MS, &f->wire, &f->error), 0);
}

void fixture_stop(Fixture *f) {
        wire_reply_deinit(&f->reply);
        f->wire = wire_free(f->wire);
        doorward_error_clear(&f->error);
        fake_broker_stop(f->broker);
        assert_int_equal(fds_count(), f->n_fds);
}

int fixture_call(Fixture *f, MethodId method) {
        wire_reply_deinit(&f->reply);
        return wire_call(f->wire, method, json_object(), WIRE_TIMEOUT_MS, &f->reply, &f->error);
}

int fixture_next(Fixture *f, int timeout_ms) {
        wire_reply_deinit(&f->reply);
        return wire_next(f->wire, timeout_ms, &f->reply, &f->error);
}

json_t *fixture_open_parameters(void) {
        return json_pack("{s:s, s:s}", "endpoint", "docker", "access", "full");
}

int fixture_call_open(Fixture *f) {
        wire_reply_deinit(&f->reply);
        return wire_call(f->wire, METHOD_OPEN, fixture_open_parameters(), WIRE_TIMEOUT_MS,
                         &f->reply, &f->error);
}

void fixture_poll(Fixture *f) {
        struct pollfd p = {.fd = wire_get_fd(f->wire), .events = POLLIN};

        assert_int_equal(poll(&p, 1, FAKE_TIMEOUT_MS), 1);
}

void fixture_check_dead(Fixture *f) {
        assert_int_equal(wire_get_fd(f->wire), -EBADF);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(fixture_call(f, METHOD_GET_BROKER_INFO), -ENOTCONN);
                assert_int_equal(f->error.code, DOORWARD_ERR_INVALID_CONN);
                assert_int_equal(fixture_next(f, 0), -ENOTCONN);
        }
}

int open_above(const char *path) {
        int low = open(path, O_RDONLY | O_CLOEXEC), fd;

        fd = fcntl(low, F_DUPFD_CLOEXEC, 100);
        close_fd(low);
        return fd;
}

void set_thread_uid(uid_t uid) {
        assert_int_equal(syscall(SYS_setresuid, uid, uid, (uid_t)-1), 0);
}

void skip_unless_root(void) {
        if (geteuid() != 0) {
                print_message("this test changes uids, which only root can\n");
                skip();
        }
}
