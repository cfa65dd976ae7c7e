/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The helper runs in a child, with a pipe in place of the audit log; the test is the broker. */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/activation.h"
#include "common/socket.h"
#include "helpers/audit-server.h"
#include "tests/support/fds.h"
#include "tests/support/listener.h"

typedef struct Fixture {
        char path[64];
        int listener;
        int log; /* what the helper writes; a pid after another */
        int log_end;
        uid_t broker;
        int idle_msec;
        pid_t pid;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        int pipe_fds[2];

        if (!f)
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "/tmp/test-audit-server-%d", (int)getpid());
        f->listener = listener_bind(SOCK_SEQPACKET | SOCK_NONBLOCK, f->path);
        if (f->listener < 0 || socket_set_passcred(f->listener) < 0 || listen(f->listener, 8) < 0 ||
            pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -1;
        f->log = pipe_fds[0];
        f->log_end = pipe_fds[1];
        f->broker = getuid();
        f->idle_msec = AUDIT_IDLE_MSEC;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (f->pid > 0) {
                (void)kill(f->pid, SIGKILL);
                (void)waitpid(f->pid, NULL, 0);
        }
        close_fd(f->listener);
        close_fd(f->log);
        close_fd(f->log_end);
        (void)unlink(f->path);
        free(f);
        return 0;
}

static void write_event(const AuditEvent *event, void *userdata) {
        const Fixture *f = userdata;

        if (write(f->log_end, &event->pid, sizeof(event->pid)) != sizeof(event->pid))
                _exit(3);
}

static int serve(Fixture *f) {
        AuditServer server;
        int r;

        audit_server_init(&server);
        if (activation_get_end(&server.end) < 0)
                return 1;
        server.listener = f->listener;
        server.broker = f->broker;
        server.idle_msec = f->idle_msec;
        server.func = write_event;
        server.userdata = f;
        r = audit_server_run(&server);
        audit_server_deinit(&server);
        close_fd(server.end);
        return r < 0;
}

static void start(Fixture *f) {
        f->pid = fork();
        assert_true(f->pid >= 0);
        if (f->pid == 0) {
                int before = fds_count(), status = serve(f);

                _exit(fds_count() == before ? status : 2);
        }
}

static void assert_ended(Fixture *f) {
        int status = -1;

        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        f->pid = 0;
        assert_int_equal(status, 0);
}

static int connect_broker(const Fixture *f) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), n;
        struct timeval patience = {.tv_sec = 10};
        struct sockaddr_un address;

        n = socket_address(f->path, &address);
        if (fd < 0 || n < 0 || connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                abort();
        return fd;
}

static int send_event(int fd, uint32_t pid) {
        AuditEvent event = {.type = AUDIT_TYPE_GRANT, .pid = pid};
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        size_t n = audit_event_encode(&event, buf);

        return (int)socket_send(fd, buf, n, -EBADF);
}

static void assert_written(const Fixture *f, uint32_t expected) {
        uint32_t pid = 0;

        assert_int_equal(poll(&(struct pollfd){.fd = f->log, .events = POLLIN}, 1, 10000), 1);
        assert_int_equal(read(f->log, &pid, sizeof(pid)), sizeof(pid));
        assert_int_equal(pid, expected);
}

static void assert_nothing_written(const Fixture *f) {
        assert_int_equal(poll(&(struct pollfd){.fd = f->log, .events = POLLIN}, 1, 50), 0);
}

static void assert_closed(int fd) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void test_events(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, next = -EBADF;

        f->idle_msec = 300;
        start(f);
        fd = connect_broker(f);
        for (uint32_t i = 1; i <= 100; i++)
                assert_true(send_event(fd, i) > 0);
        for (uint32_t i = 1; i <= 100; i++)
                assert_written(f, i);

        /* The next broker waits until this one has gone. */
        next = connect_broker(f);
        assert_true(send_event(next, 200) > 0);
        assert_nothing_written(f);
        assert_true(send_event(fd, 101) > 0);
        fd = close_fd(fd);
        assert_written(f, 101);
        assert_written(f, 200);

        /* It ends by itself, and the broker can tell that nobody has seen this one. */
        assert_closed(next);
        assert_int_equal(send_event(next, 201), -EPIPE);
        assert_ended(f);
        assert_nothing_written(f);
}

/* Told to end, it writes what has arrived. */
static void test_end(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        start(f);
        fd = connect_broker(f);
        assert_true(send_event(fd, 1) > 0);
        assert_written(f, 1);
        assert_int_equal(kill(f->pid, SIGSTOP), 0);
        for (uint32_t i = 2; i < 12; i++)
                assert_true(send_event(fd, i) > 0);
        assert_int_equal(kill(f->pid, SIGTERM), 0);
        assert_int_equal(kill(f->pid, SIGCONT), 0);
        for (uint32_t i = 2; i < 12; i++)
                assert_written(f, i);
        assert_closed(fd);
        assert_ended(f);
}

static void test_other_user(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        f->broker = getuid() + 1;
        start(f);
        fd = connect_broker(f);
        assert_closed(fd);
        fd = close_fd(fd);
        fd = connect_broker(f);
        (void)send_event(fd, 1);
        assert_closed(fd);
        assert_nothing_written(f);
}

/* A child that has inherited the connection. */
static void test_other_sender(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, good = -EBADF;
        pid_t pid;

        start(f);
        fd = connect_broker(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(send_event(fd, 1) < 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_closed(fd);
        assert_nothing_written(f);

        good = connect_broker(f);
        assert_true(send_event(good, 2) > 0);
        assert_written(f, 2);
}

static void test_malformed(void **state) {
        Fixture *f = *state;

        start(f);
        for (int i = 0; i < 4; i++) {
                _cleanup_close_ int fd = connect_broker(f);
                AuditEvent event = {.type = AUDIT_TYPE_GRANT, .pid = 1};
                uint8_t buf[AUDIT_PROTOCOL_SIZE + 64] = {};
                size_t n = audit_event_encode(&event, buf);
                int passed = -EBADF;

                switch (i) {
                case 0:
                        n = 0;
                        break;
                case 1:
                        n--;
                        break;
                case 2:
                        n = sizeof(buf);
                        break;
                case 3:
                        passed = fd; /* descriptors are not taken */
                        break;
                }
                assert_int_equal(socket_send(fd, buf, n, passed), n);
                assert_closed(fd);
        }
        assert_nothing_written(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_events, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_sender, setup, teardown),
                cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
