/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libaudit.h>

#include "helpers/audit-entry.h"

static const AuditEvent grant = {
        .type = AUDIT_TYPE_GRANT,
        .access = ACCESS_FULL,
        .uid = 1000,
        .identity = 1001,
        .pid = 4711,
        .login = 1002,
        .session = 3,
        .endpoint = "docker",
        .lease = "0b1f",
        .request = "5f0c",
};

static void assert_text(const AuditEvent *event, const char *expected) {
        char buf[AUDIT_ENTRY_SIZE];

        audit_entry_format(event, buf);
        assert_string_equal(buf, expected);
}

static void test_grant(void **state) {
        assert_text(&grant, "op=doorward:grant endpoint=docker access=full suid=1000 id=1001 "
                            "spid=4711 sauid=1002 ses=3 lease=0b1f request=5f0c");
        assert_int_equal(audit_entry_get_type(&grant), AUDIT_USER_ACCT);
        assert_true(audit_entry_is_success(&grant));
}

static void test_refusal(void **state) {
        AuditEvent event = {
                .type = AUDIT_TYPE_REFUSAL,
                .uid = 1000,
                .identity = 1000,
                .pid = 4711,
                .login = AUDIT_PROTOCOL_UNSET,
                .session = AUDIT_PROTOCOL_UNSET,
                .reason = "EndpointNotFound",
                .request = "5f0c",
                .lost = 12,
        };

        assert_text(&event, "op=doorward:refuse suid=1000 id=1000 spid=4711 request=5f0c "
                            "reason=EndpointNotFound lost=12");
        assert_int_equal(audit_entry_get_type(&event), AUDIT_USER_ACCT);
        assert_false(audit_entry_is_success(&event));
}

static void test_end(void **state) {
        AuditEvent event = grant;

        event.type = AUDIT_TYPE_END;
        event.access = ACCESS_READ_ONLY;
        event.login = event.session = AUDIT_PROTOCOL_UNSET;
        (void)strcpy(event.reason, "client");
        assert_text(&event, "op=doorward:end endpoint=docker access=read-only suid=1000 id=1001 "
                            "spid=4711 lease=0b1f request=5f0c reason=client");
        assert_int_equal(audit_entry_get_type(&event), AUDIT_TRUSTED_APP);
        assert_true(audit_entry_is_success(&event));
}

/* The longest that a message can bring fits. */
static void test_longest(void **state) {
        char buf[AUDIT_ENTRY_SIZE];
        AuditEvent event = {
                .type = AUDIT_TYPE_REFUSAL,
                .access = ACCESS_READ_ONLY,
                .uid = UINT32_MAX - 1,
                .identity = UINT32_MAX - 1,
                .pid = UINT32_MAX - 1,
                .login = UINT32_MAX - 1,
                .session = UINT32_MAX - 1,
                .lost = UINT32_MAX - 1,
        };

        memset(event.endpoint, 'e', sizeof(event.endpoint) - 1);
        memset(event.reason, 'r', sizeof(event.reason) - 1);
        memset(event.lease, 'f', sizeof(event.lease) - 1);
        memset(event.request, '0', sizeof(event.request) - 1);
        audit_entry_format(&event, buf);
        assert_true(strlen(buf) < AUDIT_ENTRY_SIZE - 1);
        assert_non_null(strstr(buf, " lost=4294967294"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_grant),
                cmocka_unit_test(test_refusal),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_longest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
