/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "config.h"
#include "tests/support/fds.h"
#include "tests/support/wire-fixture.h"

/* Getting there. */

static void script_reply(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, "{}");
        fake_expect_hang_up(b);
}

static void check_unreachable(const char *path, int errnum, const char *text) {
        doorward_error error = {};
        Wire *wire = NULL;

        assert_int_equal(wire_open(path, SHORT_MS, &wire, &error), -errnum);
        assert_null(wire);
        assert_int_equal(error.code, DOORWARD_ERR_NO_BROKER);
        assert_int_equal(error.domain, DOORWARD_DOMAIN_BROKER);
        assert_int_equal(error.errnum, errnum);
        if (!strstr(error.message, text) || !strstr(error.message, path))
                fail_msg("%s", error.message);
        assert_non_null(error.hint);
        doorward_error_clear(&error);
}

static void test_unreachable(void **state) {
        int n_fds = fds_count();
        char path[256];
        Fixture f;

        fixture_start_broker(&f, NULL, NULL);

        (void)snprintf(path, sizeof(path), "%s/absent", f.broker->folder);
        check_unreachable(path, ENOENT, "nothing is there");
        check_unreachable("@abstract", ENOENT, "nothing is there");
        check_unreachable("/dev/zero", ENOTSOCK, "no socket");
        check_unreachable("/dev/zero/x", ENOTDIR, "Not a directory");

        /* Longer than an address can be, and there all the same. */
        (void)snprintf(path, sizeof(path), "%s/%0120d", f.broker->folder, 7);
        assert_int_equal(rename(f.broker->path, path), 0);
        check_unreachable(path, ENAMETOOLONG, "name too long");
        assert_int_equal(rename(path, f.broker->path), 0);

        f.broker->listener = close_fd(f.broker->listener);
        check_unreachable(f.broker->path, ECONNREFUSED, "nobody listens");
        fixture_stop(&f);
        assert_int_equal(fds_count(), n_fds);
}

static void test_where(void **state) {
        doorward_error error = {};
        Wire *wire = NULL;
        Fixture f;

        /* An argument goes before the environment. */
        fixture_start_broker(&f, NULL, NULL);
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent", 1), 0);
        assert_int_equal(wire_open(f.broker->path, SHORT_MS, &wire, &error), 0);
        wire = wire_free(wire);
        assert_int_equal(wire_open(NULL, SHORT_MS, &wire, &error), -ENOENT);
        assert_non_null(strstr(error.message, "/proc/nonexistent"));
        assert_non_null(strstr(error.hint, "DOORWARD_SOCKET"));
        fixture_stop(&f);
        doorward_error_clear(&error);
}

/* The system's own broker, where there is none. */
static void test_default(void **state) {
        doorward_error error = {};
        Wire *wire = NULL;

        if (access(BROKER_SOCKET, F_OK) == 0) {
                print_message("doorward runs here\n");
                skip();
        }
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
        check_unreachable(BROKER_SOCKET, ENOENT, "nothing is there");
        assert_int_equal(setenv("DOORWARD_SOCKET", "", 1), 0);
        assert_int_equal(wire_open(NULL, SHORT_MS, &wire, &error), -ENOENT);
        assert_non_null(strstr(error.message, BROKER_SOCKET));
        assert_non_null(strstr(error.hint, "systemctl start doorward.socket"));
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
        doorward_error_clear(&error);
}

/* A process that has no descriptor left is told so, and not that there is no broker. */
static void test_no_descriptor_left(void **state) {
        struct rlimit before, tight;
        Fixture f;
        int r;

        fixture_start_broker(&f, NULL, NULL);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        tight = before;
        tight.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        r = wire_open(NULL, SHORT_MS, &f.wire, &f.error);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(f.error.code, DOORWARD_ERR_SYSTEM);
        assert_int_equal(f.error.errnum, EMFILE);
        fixture_stop(&f);
}

/* A broker that takes no connections is not waited for without end. */
static void test_full_queue(void **state) {
        doorward_error error = {};
        Wire *wires[8] = {}, *wire = NULL;
        size_t n = 0;
        Fixture f;
        int r = 0;

        fixture_start_broker(&f, NULL, NULL);
        assert_int_equal(listen(f.broker->listener, 0), 0);
        while (n < ELEMENTSOF(wires) && r == 0) {
                r = wire_open(NULL, SHORT_MS, &wires[n], &error);
                n += r == 0;
        }
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(error.code, DOORWARD_ERR_NO_BROKER);
        assert_non_null(strstr(error.message, "takes no connections"));

        /* It waits as long as it may: then there is room. */
        close_fd(accept(f.broker->listener, NULL, NULL));
        assert_int_equal(wire_open(NULL, WIRE_TIMEOUT_MS, &wire, &error), 0);
        wire = wire_free(wire);
        for (size_t i = 0; i < n; i++)
                (void)wire_free(wires[i]);
        fixture_stop(&f);
        doorward_error_clear(&error);
}

static void test_no_permission(void **state) {
        Fixture f;

        skip_unless_root();
        fixture_start_broker(&f, NULL, NULL);
        assert_int_equal(chmod(f.broker->folder, 0755), 0);
        assert_int_equal(chmod(f.broker->path, 0600), 0);
        set_thread_uid(STRANGER);
        check_unreachable(f.broker->path, EACCES, "Permission denied");
        set_thread_uid(0);
        fixture_stop(&f);
}

/* Who it is. */

static void check_stranger(Fixture *f, int r) {
        assert_int_equal(r, -EBADMSG);
        assert_int_equal(f->error.code, DOORWARD_ERR_PROTOCOL);
        if (!strstr(f->error.message, "is not to be trusted"))
                fail_msg("%s", f->error.message);
        assert_non_null(strstr(f->error.hint, "not the system's broker"));
}

static void test_stranger_listens(void **state) {
        Fixture f;

        skip_unless_root();
        fixture_start_broker(&f, NULL, NULL);
        set_thread_uid(STRANGER);
        assert_int_equal(listen(f.broker->listener, 16), 0);
        set_thread_uid(0);
        check_stranger(&f, wire_open(NULL, WIRE_TIMEOUT_MS, &f.wire, &f.error));
        assert_null(f.wire);
        fixture_stop(&f);
}

static void script_stranger(FakeBroker *b) {
        int fd = open_above("/dev/zero");

        fake_accept(b);
        fake_expect(b, NULL);
        if (b->data)
                fake_send(b, "{\"parameters\":{\"state\":\"x\"},\"continues\":true}");
        (void)syscall(SYS_setresuid, STRANGER, STRANGER, (uid_t)-1);
        fake_send_fds(b, "{\"parameters\":{\"connection\":0}}", &fd, 1);
        (void)syscall(SYS_setresuid, 0, 0, (uid_t)-1);
        fake_expect_hang_up(b);
}

/* Root listens, and somebody else answers: at once, or after the right one did. */
static void test_stranger_answers(void **state) {
        Fixture f;

        skip_unless_root();
        fixture_start(&f, script_stranger, NULL);
        check_stranger(&f, fixture_call_open(&f));
        fixture_check_dead(&f);
        fixture_stop(&f);

        fixture_start(&f, script_stranger, "");
        assert_int_equal(wire_call_more(f.wire, METHOD_OPEN, fixture_open_parameters(),
                                        WIRE_TIMEOUT_MS, &f.error),
                         0);
        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
        check_stranger(&f, fixture_next(&f, WIRE_TIMEOUT_MS));
        fixture_check_dead(&f);
        fixture_stop(&f);
}

/* The inode belongs to somebody else than who answers. */
static void test_stranger_owns(void **state) {
        Fixture f;

        skip_unless_root();
        fixture_start_broker(&f, script_reply, NULL);
        assert_int_equal(chown(f.broker->path, STRANGER, (gid_t)-1), 0);
        assert_int_equal(wire_open(NULL, WIRE_TIMEOUT_MS, &f.wire, &f.error), 0);
        check_stranger(&f, fixture_call(&f, METHOD_FORGET));
        fixture_check_dead(&f);
        fixture_stop(&f);
}

static void script_owner(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        (void)syscall(SYS_setresuid, STRANGER, STRANGER, (uid_t)-1);
        fake_send(b, "{}");
        (void)syscall(SYS_setresuid, 0, 0, (uid_t)-1);
        fake_expect_hang_up(b);
}

/* As it is in the system: root listens, the inode's owner, who is not root, answers. */
static void test_owner_answers(void **state) {
        Fixture f;

        skip_unless_root();
        fixture_start_broker(&f, script_owner, NULL);
        assert_int_equal(chown(f.broker->path, STRANGER, (gid_t)-1), 0);
        assert_int_equal(wire_open(NULL, WIRE_TIMEOUT_MS, &f.wire, &f.error), 0);
        assert_true(wire_is_secure(f.wire));
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* Forks. */

static void script_copies(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, "{}");
        fake_expect_silence(b, SHORT_MS);
        fake_expect_hang_up(b);
}

/* A child's copy, freed as that, ends nothing; the parent ends it whoever holds a copy. */
static void test_copies(void **state) {
        int copy;
        Fixture f;

        fixture_start(&f, script_copies, NULL);
        copy = fcntl(wire_get_fd(f.wire), F_DUPFD_CLOEXEC, 0);
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        f.wire = wire_free_copy(f.wire);
        (void)usleep(2 * SHORT_MS * 1000);
        assert_int_equal(shutdown(copy, SHUT_RDWR), 0);
        close_fd(copy);
        fixture_stop(&f);

        assert_null(wire_free(NULL));
        assert_null(wire_free_copy(NULL));
}

static void test_hanging_up_reaches_copies(void **state) {
        int copy;
        Fixture f;

        fixture_start(&f, script_reply, NULL);
        copy = fcntl(wire_get_fd(f.wire), F_DUPFD_CLOEXEC, 0);
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        f.wire = wire_free(f.wire);
        assert_int_equal(pthread_join(f.broker->thread, NULL), 0);
        f.broker->script = NULL;
        close_fd(copy);
        fixture_stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unreachable),
                cmocka_unit_test(test_where),
                cmocka_unit_test(test_default),
                cmocka_unit_test(test_no_descriptor_left),
                cmocka_unit_test(test_full_queue),
                cmocka_unit_test(test_no_permission),
                cmocka_unit_test(test_stranger_listens),
                cmocka_unit_test(test_stranger_answers),
                cmocka_unit_test(test_stranger_owns),
                cmocka_unit_test(test_owner_answers),
                cmocka_unit_test(test_copies),
                cmocka_unit_test(test_hanging_up_reaches_copies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
