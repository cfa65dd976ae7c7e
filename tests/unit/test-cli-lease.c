/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/lease.h"

#define ID "0b1f5c7d9e2a4f3886d1c4a7b9e0f213"

static json_t *lease_new(void) {
        return json_pack("{s:s, s:i, s:i, s:s, s:s, s:n, s:s, s:s, s:s, s:I, s:I, s:i, s:b}", "id",
                         ID, "uid", 1000, "pid", 4711, "command", "sh", "unit", "session-3.scope",
                         "session", "endpoint", "docker", "access", "read_only", "mode", "tracked",
                         "since", (json_int_t)1790942493000000, "expires",
                         (json_int_t)1790946093000000, "descriptors", 2, "kept", 0);
}

static void test_read(void **state) {
        json_t *object = lease_new();
        Lease lease;

        assert_int_equal(lease_read(object, &lease), 0);
        assert_string_equal(lease.id, ID);
        assert_int_equal(lease.uid, 1000);
        assert_int_equal(lease.pid, 4711);
        assert_string_equal(lease.command, "sh");
        assert_string_equal(lease.unit, "session-3.scope");
        assert_null(lease.session);
        assert_string_equal(lease.endpoint, "docker");
        assert_int_equal(lease.access, ACCESS_READ_ONLY);
        assert_int_equal(lease.mode, LEASE_MODE_TRACKED);
        assert_int_equal(lease.since, 1790942493000000);
        assert_int_equal(lease.expires, 1790946093000000);
        assert_int_equal(lease.descriptors, 2);
        assert_false(lease.kept);

        /* What may be left out, and what a later broker adds. */
        assert_int_equal(json_object_del(object, "unit"), 0);
        assert_int_equal(json_object_del(object, "expires"), 0);
        assert_int_equal(json_object_set_new(object, "colour", json_string("green")), 0);
        assert_int_equal(lease_read(object, &lease), 0);
        assert_null(lease.unit);
        assert_int_equal(lease.expires, 0);
        json_decref(object);
}

static void test_unreadable(void **state) {
        static const char *const needed[] = {
                "id",     "uid",  "pid",   "command",     "endpoint",
                "access", "mode", "since", "descriptors", "kept",
        };
        Lease lease = {.pid = 5};
        json_t *object;

        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                object = lease_new();
                assert_int_equal(json_object_del(object, needed[i]), 0);
                assert_int_equal(lease_read(object, &lease), -EBADMSG);
                assert_int_equal(json_object_set_new(object, needed[i], json_real(1.5)), 0);
                assert_int_equal(lease_read(object, &lease), -EBADMSG);
                json_decref(object);
        }

        object = lease_new();
        assert_int_equal(json_object_set_new(object, "id", json_string("0b1f5c7d")), 0);
        assert_int_equal(lease_read(object, &lease), -EBADMSG);
        json_decref(object);
        assert_int_equal(lease.pid, 5);
}

static void explain(doorward_error *error, doorward_error_code code, const char *action) {
        error_set(error, DOORWARD_DOMAIN_BROKER, code, EACCES, "The library's sentence.");
        error_set_hint(error, "The broker's hint.");
        error_set_action(error, action);
        error_set_request(error, "r1");
        lease_explain_error(error);
}

/* The sentence is another; the class, the hint and the rest stay. */
static void test_explain(void **state) {
        _cleanup_error_ doorward_error error = {};

        explain(&error, DOORWARD_ERR_DENIED, LEASE_ACTION);
        assert_non_null(strstr(error.message, "what others have open"));
        assert_int_equal(error.code, DOORWARD_ERR_DENIED);
        assert_int_equal(error.errnum, EACCES);
        assert_string_equal(error.hint, "The broker's hint.");
        assert_string_equal(error.action_id, LEASE_ACTION);
        assert_string_equal(error.request_id, "r1");

        explain(&error, DOORWARD_ERR_AUTH_NEEDED, NULL);
        assert_non_null(strstr(error.message, "password"));
        explain(&error, DOORWARD_ERR_NO_LEASE, NULL);
        assert_string_equal(error.message, "There is no such lease, or it is not yours.");

        explain(&error, DOORWARD_ERR_LIMIT, NULL);
        assert_string_equal(error.message, "The library's sentence.");
        explain(&error, DOORWARD_ERR_DENIED, "org.doorward.full");
        assert_string_equal(error.message, "The library's sentence.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_explain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
