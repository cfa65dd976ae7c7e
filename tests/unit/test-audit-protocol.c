/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/audit-protocol.h"

static const AuditEvent example = {
        .type = AUDIT_TYPE_GRANT,
        .access = ACCESS_FULL,
        .uid = 1000,
        .identity = 1001,
        .pid = 4711,
        .login = 1000,
        .session = 3,
        .endpoint = "serial@ttyUSB0",
        .reason = "peer",
        .lease = "0b1f",
        .request = "5f0c",
        .lost = 7,
};

static void test_event(void **state) {
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        AuditEvent got = {};
        size_t n;

        n = audit_event_encode(&example, buf);
        assert_int_equal(n, 4 + 1 + 1 + 5 * 4 + 2 + 14 + 2 + 4 + 2 + 4 + 2 + 4 + 4);
        assert_memory_equal(buf,
                            "\1\0\0\0\1\2\350\3\0\0\351\3\0\0\147\22\0\0\350\3\0\0\3\0\0\0"
                            "\16\0serial@ttyUSB0\4\0peer\4\0000b1f\4\0005f0c\7\0\0\0",
                            n);
        assert_int_equal(audit_event_decode(buf, n, &got), 0);
        assert_int_equal(got.type, AUDIT_TYPE_GRANT);
        assert_int_equal(got.access, ACCESS_FULL);
        assert_int_equal(got.uid, 1000);
        assert_int_equal(got.identity, 1001);
        assert_int_equal(got.pid, 4711);
        assert_int_equal(got.login, 1000);
        assert_int_equal(got.session, 3);
        assert_string_equal(got.endpoint, "serial@ttyUSB0");
        assert_string_equal(got.reason, "peer");
        assert_string_equal(got.lease, "0b1f");
        assert_string_equal(got.request, "5f0c");
        assert_int_equal(got.lost, 7);
}

/* As long, and as short, as can be. */
static void test_sizes(void **state) {
        AuditEvent event = example, got;
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        size_t n;

        memset(event.endpoint, 'a', sizeof(event.endpoint) - 1);
        event.endpoint[NAME_ENDPOINT_MAX] = '@';
        memset(event.reason, 'r', sizeof(event.reason) - 1);
        memset(event.lease, 'f', sizeof(event.lease) - 1);
        memset(event.request, '0', sizeof(event.request) - 1);
        n = audit_event_encode(&event, buf);
        assert_int_equal(audit_event_decode(buf, n, &got), 0);
        assert_string_equal(got.endpoint, event.endpoint);
        assert_string_equal(got.reason, event.reason);
        assert_string_equal(got.lease, event.lease);
        assert_string_equal(got.request, event.request);

        event = (AuditEvent){.type = AUDIT_TYPE_REFUSAL};
        n = audit_event_encode(&event, buf);
        assert_int_equal(audit_event_decode(buf, n, &got), 0);
        assert_int_equal(got.access, 0);
        assert_string_equal(got.endpoint, "");
}

/* Nothing that could be another field is sent. */
static void test_alphabets(void **state) {
        AuditEvent event = {
                .type = AUDIT_TYPE_REFUSAL,
                .endpoint = "a uid=0",
                .reason = "x res=success",
                .lease = "0'",
                .request = "A",
        };
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        AuditEvent got;
        size_t n;

        n = audit_event_encode(&event, buf);
        assert_int_equal(audit_event_decode(buf, n, &got), 0);
        assert_string_equal(got.endpoint, "");
        assert_string_equal(got.reason, "");
        assert_string_equal(got.lease, "");
        assert_string_equal(got.request, "");
}

static void check_bad(const void *data, size_t n) {
        AuditEvent got = {.uid = 77};

        assert_int_equal(audit_event_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.uid, 77);
}

static void test_bad_events(void **state) {
        uint8_t good[AUDIT_PROTOCOL_SIZE] = {}, bad[AUDIT_PROTOCOL_SIZE];
        size_t n = audit_event_encode(&example, good);
        /* Where each text begins. */
        const size_t texts[] = {28, 44, 50, 56};

        for (size_t i = 0; i < n; i++)
                check_bad(good, i);
        check_bad(good, n + 1);
        check_bad(good, sizeof(good));

        for (int value = 0; value < 256; value++) {
                memcpy(bad, good, n);
                bad[0] = (uint8_t)value;
                if (value != AUDIT_PROTOCOL_VERSION)
                        check_bad(bad, n);
                memcpy(bad, good, n);
                bad[4] = (uint8_t)value;
                if (value == 0 || value >= _AUDIT_TYPE_MAX)
                        check_bad(bad, n);
                memcpy(bad, good, n);
                bad[5] = (uint8_t)value;
                if (value >= _ACCESS_MAX)
                        check_bad(bad, n);
        }

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (const char *c = " ='\"\n/\x7f\xff"; *c; c++) {
                        memcpy(bad, good, n);
                        bad[texts[i]] = (uint8_t)*c;
                        check_bad(bad, n);
                }
        memcpy(bad, good, n);
        bad[texts[1]] = 0;
        check_bad(bad, n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_event),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_alphabets),
                cmocka_unit_test(test_bad_events),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
