/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/conn.h"
#include "client/grant-info.h"
#include "tests/support/fake-broker.h"

static void script_grant(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, b->data));
        fake_expect_hang_up(b);
}

/* The info outlives the connection that it is of. */
static doorward_grant_info *info_of(const char *reply) {
        FakeBroker *broker = fake_broker_start(script_grant, reply);
        doorward_conn *conn = doorward_open("docker");
        doorward_grant_info *info;

        if (!conn)
                fail_msg("%s: %s", reply, doorward_get_last_error_message());
        info = doorward_get_grant_info(conn);
        assert_non_null(info);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
        return info;
}

static void test_all(void **state) {
        doorward_grant_info *info = info_of(
                "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\","
                "\"mode\":\"revocable\",\"lease\":\"l1\",\"kept\":true,\"expires\":"
                "1700000000000000,\"action\":\"org.doorward.endpoint.docker.full\",\"how\":"
                "\"challenged\",\"connectAs\":\"service\",\"logout\":true,\"requestId\":\"r1\"},"
                "\"continues\":true}");

        assert_string_equal(info->access, "full");
        assert_string_equal(info->mode, "revocable");
        assert_int_equal(info->kept, 1);
        assert_int_equal(info->expires, 1700000000000000);
        assert_string_equal(info->lease_id, "l1");
        assert_string_equal(info->request_id, "r1");
        assert_string_equal(info->action_id, "org.doorward.endpoint.docker.full");
        assert_string_equal(info->how, "challenged");
        assert_string_equal(info->connect_as, "service");
        assert_int_equal(info->ends_at_logout, 1);
        doorward_grant_info_free(info);
}

/* An older broker says less. */
static void test_few(void **state) {
        doorward_grant_info *info = info_of(
                "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\","
                "\"mode\":\"tracked\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}");

        assert_string_equal(info->mode, "tracked");
        assert_int_equal(info->kept, 0);
        assert_int_equal(info->expires, 0);
        assert_null(info->action_id);
        assert_null(info->how);
        assert_null(info->connect_as);
        assert_int_equal(info->ends_at_logout, 0);
        doorward_grant_info_free(info);
}

static void test_no_lease(void **state) {
        doorward_grant_info *info = info_of(
                "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\","
                "\"mode\":\"none\",\"action\":\"a.b\",\"how\":\"implicit\",\"connectAs\":"
                "\"client\",\"logout\":false,\"requestId\":\"r1\"}}");

        assert_string_equal(info->mode, "none");
        assert_null(info->lease_id);
        assert_string_equal(info->request_id, "r1");
        assert_string_equal(info->action_id, "a.b");
        assert_string_equal(info->how, "implicit");
        assert_string_equal(info->connect_as, "client");
        assert_int_equal(info->ends_at_logout, 0);
        doorward_grant_info_free(info);
}

/* Of the wrong type, it is none. */
static void test_unreadable(void **state) {
        static const char *const replies[] = {
                "\"how\":\"bribed\"", "\"how\":1",          "\"action\":[]",
                "\"connectAs\":true", "\"logout\":\"yes\"",
        };
        char reply[512];

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                FakeBroker *broker;

                (void)snprintf(reply, sizeof(reply),
                               "{\"parameters\":{\"state\":\"granted\",\"connection\":0,"
                               "\"access\":\"full\",\"mode\":\"none\",%s,\"requestId\":\"r1\"}}",
                               replies[i]);
                broker = fake_broker_start(script_grant, reply);
                assert_null(doorward_open("docker"));
                assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_PROTOCOL);
                fake_broker_stop(broker);
        }
}

static void test_no_connection(void **state) {
        assert_null(doorward_get_grant_info(NULL));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_CONN);
        /* Forgets no error. */
        doorward_grant_info_free(NULL);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_CONN);
        doorward_reset_last_error();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all),           cmocka_unit_test(test_few),
                cmocka_unit_test(test_no_lease),      cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_no_connection),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
