/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/conn.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define GRANTED(rest)                                                         \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":" \
        "\"full\",\"mode\":\"none\",\"requestId\":\"r1\"" rest "}}"

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

static int teardown(void **state) {
        doorward_reset_last_error();
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void check_error(int code, int errnum) {
        assert_int_equal(doorward_get_last_error_code(), code);
        assert_int_equal(errno, errnum);
}

static void script_grant(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, b->data));
        fake_expect_hang_up(b);
}

/* The machine and the library are there without a connection, too. */
static void test_without_connection(void **state) {
        doorward_host_info *info;
        unsigned long version = 0;
        struct utsname names;
        char *name;

        assert_int_equal(uname(&names), 0);
        assert_int_equal(doorward_close(NULL), -1);
        name = doorward_get_hostname(NULL);
        assert_non_null(name);
        assert_string_equal(name, names.nodename);
        free(name);
        /* What succeeds forgets the error before it. */
        assert_null(doorward_get_last_error());

        info = doorward_get_host_info(NULL);
        assert_non_null(info);
        assert_string_equal(info->hostname, names.nodename);
        assert_true(info->memory_total > 0);
        doorward_host_info_free(info);

        assert_int_equal(doorward_get_lib_version(NULL, &version), 0);
        assert_int_equal(version, doorward_version());
        assert_int_equal(doorward_get_lib_version(NULL, NULL), -1);
        check_error(DOORWARD_ERR_INVALID_ARG, EINVAL);
}

static void test_with_connection(void **state) {
        FakeBroker *broker = fake_broker_start(script_grant, GRANTED(""));
        doorward_conn *conn = doorward_open("docker");
        doorward_host_info *info;
        unsigned long version = 0;
        char *name;

        assert_non_null(conn);
        info = doorward_get_host_info(conn);
        name = doorward_get_hostname(conn);
        assert_non_null(info);
        assert_non_null(name);
        assert_string_equal(info->hostname, name);
        assert_int_equal(doorward_get_lib_version(conn, &version), 0);
        assert_int_equal(version, doorward_version());
        free(name);
        doorward_host_info_free(info);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* In a child nothing is said of the parent's connection. */

static int child_of(doorward_conn *conn) {
        unsigned long version = 7;

        if (doorward_get_host_info(conn) || errno != ECHILD)
                return 1;
        if (doorward_get_hostname(conn) || errno != ECHILD)
                return 2;
        if (doorward_get_lib_version(conn, &version) != -1 || errno != ECHILD || version != 7)
                return 3;
        return 0;
}

static void test_child(void **state) {
        FakeBroker *broker = fake_broker_start(script_grant, GRANTED(""));
        doorward_conn *conn = doorward_open("docker");
        int status;
        pid_t pid;

        assert_non_null(conn);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(child_of(conn));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_without_connection),
                TEST(test_with_connection),
                TEST(test_child),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
