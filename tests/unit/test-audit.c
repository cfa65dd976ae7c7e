/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The broker's end; the test is the helper. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "broker/audit.h"
#include "broker/record.h"
#include "common/audit-protocol.h"
#include "common/socket.h"
#include "tests/support/fds.h"

#define REQUEST "5f0c31b2a7d94e66"
#define LEASE "0b1f5c7d9e2a4f3886d1c4a7b9e0f213"

typedef struct Fixture {
        char path[64];
        int listener, fd;
        Audit *audit;
        int n_fds;
} Fixture;

static void listen_again(Fixture *f) {
        struct sockaddr_un address;
        int n = socket_address(f->path, &address);

        f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(n > 0 && f->listener >= 0);
        assert_int_equal(bind(f->listener, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(listen(f->listener, 4), 0);
}

static void stop_listening(Fixture *f) {
        f->listener = close_fd(f->listener);
        f->fd = close_fd(f->fd);
        assert_int_equal(unlink(f->path), 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "/tmp/test-audit-%d", (int)getpid());
        f->n_fds = fds_count();
        f->fd = -EBADF;
        listen_again(f);
        *state = f;
        return audit_new(f->path, &f->audit);
}

static int teardown(void **state) {
        Fixture *f = *state;

        audit_free(f->audit);
        close_fd(f->listener);
        close_fd(f->fd);
        (void)unlink(f->path);
        assert_int_equal(fds_count(), f->n_fds);
        free(f);
        return 0;
}

static RecordFields fields_of_a_grant(void) {
        return (RecordFields){
                .endpoint = "serial@ttyUSB0",
                .access = ACCESS_READ_ONLY,
                .decision = DECISION_AUTHORIZED,
                .how = HOW_IMPLICIT,
                .subject_uid = getuid(),
                .identity_uid = 1001,
                .subject_pid = getpid(),
                .mode = LEASE_MODE_TRACKED,
                .lease = LEASE,
                .request = REQUEST,
        };
}

static void put(Fixture *f, void (*format)(JournalEntry *, const RecordFields *),
                const RecordFields *fields) {
        JournalEntry entry;

        format(&entry, fields);
        audit_put(f->audit, entry.data, entry.size);
}

static void put_grant(Fixture *f) {
        const RecordFields fields = fields_of_a_grant();

        put(f, record_format_grant, &fields);
}

/* The next event: false if there is none. */
static bool get(Fixture *f, AuditEvent *ret) {
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        ssize_t n;

        if (f->fd < 0)
                f->fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        n = f->fd < 0 ? -1 : recv(f->fd, buf, sizeof(buf), 0);
        if (n <= 0)
                return false;
        assert_int_equal(audit_event_decode(buf, (size_t)n, ret), 0);
        return true;
}

static uint32_t number_in(const char *path) {
        FILE *file = fopen(path, "re");
        unsigned value = AUDIT_PROTOCOL_UNSET;

        if (file) {
                if (fscanf(file, "%u", &value) != 1)
                        value = AUDIT_PROTOCOL_UNSET;
                (void)fclose(file);
        }
        return value;
}

static void test_grant(void **state) {
        Fixture *f = *state;
        AuditEvent event;

        put_grant(f);
        assert_true(get(f, &event));
        assert_int_equal(event.type, AUDIT_TYPE_GRANT);
        assert_int_equal(event.access, ACCESS_READ_ONLY);
        assert_int_equal(event.uid, getuid());
        assert_int_equal(event.identity, 1001);
        assert_int_equal(event.pid, getpid());
        assert_int_equal(event.login, number_in("/proc/self/loginuid"));
        assert_int_equal(event.session, number_in("/proc/self/sessionid"));
        assert_string_equal(event.endpoint, "serial@ttyUSB0");
        assert_string_equal(event.reason, "");
        assert_string_equal(event.lease, LEASE);
        assert_string_equal(event.request, REQUEST);
        assert_int_equal(event.lost, 0);
        assert_false(get(f, &event));
}

static void test_refusal_and_end(void **state) {
        RecordFields fields = fields_of_a_grant();
        Fixture *f = *state;
        AuditEvent event;

        fields.endpoint = "";
        fields.access = 0;
        fields.error = "EndpointNotFound";
        fields.cause = "DOORWARD_ENDPOINT=docker\nDOORWARD_ENDPOINT=docker\n";
        put(f, record_format_refusal, &fields);
        assert_true(get(f, &event));
        assert_int_equal(event.type, AUDIT_TYPE_REFUSAL);
        assert_int_equal(event.access, 0);
        assert_string_equal(event.endpoint, "");
        assert_string_equal(event.reason, "EndpointNotFound");

        fields = fields_of_a_grant();
        fields.reason = END_BACKEND;
        put(f, record_format_end, &fields);
        assert_true(get(f, &event));
        assert_int_equal(event.type, AUDIT_TYPE_END);
        assert_string_equal(event.reason, "backend");
        assert_string_equal(event.lease, LEASE);
        assert_int_equal(event.login, AUDIT_PROTOCOL_UNSET);
}

/* A process that somebody logged in for, as far as the kernel lets us say so. */
static pid_t start_login(void) {
        int fds[2];
        pid_t pid;
        char c;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)!write(fd, "4242", 4);
                (void)!write(fds[1], "x", 1);
                for (;;)
                        (void)pause();
        }
        assert_int_equal(read(fds[0], &c, 1), 1);
        close_fd(fds[0]);
        close_fd(fds[1]);
        return pid;
}

static void test_login(void **state) {
        RecordFields fields = fields_of_a_grant();
        char path[2][64];
        Fixture *f = *state;
        AuditEvent event;

        fields.subject_pid = start_login();
        (void)snprintf(path[0], sizeof(path[0]), "/proc/%d/loginuid", (int)fields.subject_pid);
        (void)snprintf(path[1], sizeof(path[1]), "/proc/%d/sessionid", (int)fields.subject_pid);
        put(f, record_format_grant, &fields);
        assert_true(get(f, &event));
        assert_int_equal(event.login, number_in(path[0]));
        assert_int_equal(event.session, number_in(path[1]));

        /* Whose number it is by now is somebody else. */
        fields.subject_uid = getuid() + 1;
        put(f, record_format_grant, &fields);
        assert_true(get(f, &event));
        assert_int_equal(event.login, AUDIT_PROTOCOL_UNSET);
        assert_int_equal(event.session, AUDIT_PROTOCOL_UNSET);

        assert_int_equal(kill(fields.subject_pid, SIGKILL), 0);
        assert_int_equal(waitpid(fields.subject_pid, NULL, 0), fields.subject_pid);

        /* It has ended. */
        fields.subject_uid = getuid();
        put(f, record_format_grant, &fields);
        assert_true(get(f, &event));
        assert_int_equal(event.login, AUDIT_PROTOCOL_UNSET);
}

/* What is no decision and no end is the journal's alone. */
static void test_others(void **state) {
        Fixture *f = *state;
        JournalEntry entry;
        AuditEvent event;

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE_ID", RECORD_ID_PROBLEM);
        journal_entry_put(&entry, "MESSAGE", "x\nMESSAGE_ID=" RECORD_ID_GRANTED);
        audit_put(f->audit, entry.data, entry.size);
        audit_put(f->audit, "", 0);
        assert_false(get(f, &event));
        audit_put(NULL, entry.data, entry.size);
}

/* The helper does not read: what it cannot take is dropped and counted, and nothing waits. */
static void test_full(void **state) {
        Fixture *f = *state;
        unsigned got = 0, sent = 20000;
        AuditEvent event;

        for (unsigned i = 0; i < sent; i++)
                put_grant(f);
        while (get(f, &event)) {
                got++;
                assert_int_equal(event.lost, 0);
        }
        assert_in_range(got, 10, sent - 1);

        put_grant(f);
        assert_true(get(f, &event));
        assert_int_equal(event.lost, sent - got);
        put_grant(f);
        assert_true(get(f, &event));
        assert_int_equal(event.lost, 0);
}

/* It ended while it was idle: the next event is sent to the one after it. */
static void test_helper_ended(void **state) {
        Fixture *f = *state;
        AuditEvent event;

        put_grant(f);
        assert_true(get(f, &event));
        f->fd = close_fd(f->fd);
        put_grant(f);
        assert_true(get(f, &event));
        assert_int_equal(event.lost, 0);

        /* As it leaves: shut for reading. */
        assert_int_equal(shutdown(f->fd, SHUT_RD), 0);
        put_grant(f);
        f->fd = close_fd(f->fd);
        assert_true(get(f, &event));
        assert_int_equal(event.lost, 0);
}

/* Nobody listens. That is found out once in a while, and not for each event. */
static void test_nobody(void **state) {
        Fixture *f = *state;
        AuditEvent event;

        stop_listening(f);
        for (unsigned i = 0; i < 3; i++)
                put_grant(f);
        listen_again(f);
        put_grant(f);
        assert_false(get(f, &event));

        audit_free(f->audit);
        assert_int_equal(audit_new(f->path, &f->audit), 0);
        put_grant(f);
        assert_true(get(f, &event));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_grant, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refusal_and_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_login, setup, teardown),
                cmocka_unit_test_setup_teardown(test_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full, setup, teardown),
                cmocka_unit_test_setup_teardown(test_helper_ended, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
