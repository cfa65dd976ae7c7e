/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/opener-protocol.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_request(void **state) {
        OpenerRequest request = {
                .id = 0x01020304, .access = ACCESS_FULL, .instance = "ttyUSB0", .definition = HASH};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        OpenerRequest got = {};
        size_t n;

        n = opener_request_encode(&request, buf);
        assert_int_equal(n, 4 + 4 + 1 + 2 + 7 + 2 + 64);
        assert_memory_equal(buf, "\1\0\0\0\4\3\2\1\2\7\0ttyUSB0\100\0" HASH, n);
        assert_int_equal(opener_request_decode(buf, n, &got), 0);
        assert_int_equal(got.id, request.id);
        assert_int_equal(got.access, request.access);
        assert_string_equal(got.instance, request.instance);

        request.instance[0] = 0;
        n = opener_request_encode(&request, buf);
        assert_int_equal(opener_request_decode(buf, n, &got), 0);
        assert_string_equal(got.instance, "");

        memset(request.instance, 'x', NAME_INSTANCE_MAX);
        request.instance[NAME_INSTANCE_MAX] = 0;
        request.id = UINT32_MAX;
        n = opener_request_encode(&request, buf);
        assert_int_equal(opener_request_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.instance), NAME_INSTANCE_MAX);
        assert_int_equal(got.id, UINT32_MAX);
}

static void test_reply(void **state) {
        OpenerReply reply = {.id = 7, .status = OPENER_OPEN, .error = 111, .detail = "connect"};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        OpenerReply got = {};
        size_t n;

        n = opener_reply_encode(&reply, buf);
        assert_int_equal(n, 4 + 4 + 1 + 4 + 2 + 7);
        assert_memory_equal(buf, "\1\0\0\0\7\0\0\0\12\157\0\0\0\7\0connect", n);
        assert_int_equal(opener_reply_decode(buf, n, &got), 0);
        assert_int_equal(got.id, 7);
        assert_int_equal(got.status, OPENER_OPEN);
        assert_int_equal(got.error, 111);
        assert_string_equal(got.detail, "connect");

        /* As long as can be, and even without its NUL. */
        memset(reply.detail, 'd', sizeof(reply.detail));
        n = opener_reply_encode(&reply, buf);
        assert_int_equal(opener_reply_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.detail), OPENER_DETAIL_MAX);
}

/* A detail is for people, so what it was made of is not repeated as it is. */
static void test_detail_is_cleaned(void **state) {
        OpenerReply reply = {.status = OPENER_PATH, .detail = "a\nb\033[2J\x7f\xc3\xa9 z~"}, got;
        uint8_t buf[OPENER_MESSAGE_SIZE];
        size_t n;

        n = opener_reply_encode(&reply, buf);
        assert_int_equal(opener_reply_decode(buf, n, &got), 0);
        assert_string_equal(got.detail, "a?b?[2J??? z~");
}

static void test_all_statuses(void **state) {
        uint8_t buf[OPENER_MESSAGE_SIZE];

        for (int status = 1; status < _OPENER_STATUS_MAX; status++) {
                OpenerReply reply = {.status = (OpenerStatus)status}, got;
                size_t n = opener_reply_encode(&reply, buf);

                assert_int_equal(opener_reply_decode(buf, n, &got), 0);
                assert_int_equal(got.status, status);
                assert_string_not_equal(opener_status_to_string(got.status), "invalid");
                for (int other = 1; other < status; other++)
                        assert_string_not_equal(opener_status_to_string((OpenerStatus)other),
                                                opener_status_to_string(got.status));
        }

        assert_string_equal(opener_status_to_string((OpenerStatus)0), "invalid");
        assert_string_equal(opener_status_to_string(_OPENER_STATUS_MAX), "invalid");
}

static void check_bad_request(const void *data, size_t n) {
        OpenerRequest got = {.id = 77};

        assert_int_equal(opener_request_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.id, 77);
}

static void check_bad_reply(const void *data, size_t n) {
        OpenerReply got = {.id = 77};

        assert_int_equal(opener_reply_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.id, 77);
}

static void test_bad_requests(void **state) {
        OpenerRequest request = {
                .id = 1, .access = ACCESS_READ_ONLY, .instance = "a", .definition = HASH};
        uint8_t good[OPENER_MESSAGE_SIZE], bad[OPENER_MESSAGE_SIZE];
        size_t n = opener_request_encode(&request, good);
        char *instance = (char *)bad + 4 + 4 + 1 + 2, *definition = (char *)bad + n - 64;

        for (size_t i = 0; i < n; i++)
                check_bad_request(good, i);
        check_bad_request(good, n + 1);
        check_bad_request(good, sizeof(good));

        /* Another version. */
        for (int version = 0; version < 256; version++) {
                memcpy(bad, good, n);
                bad[0] = (uint8_t)version;
                if (version != OPENER_PROTOCOL_VERSION)
                        check_bad_request(bad, n);
        }
        memcpy(bad, good, n);
        bad[3] = 1;
        check_bad_request(bad, n);

        /* No access that there is. */
        for (int access = 0; access < 256; access++) {
                memcpy(bad, good, n);
                bad[8] = (uint8_t)access;
                if (access != ACCESS_READ_ONLY && access != ACCESS_FULL)
                        check_bad_request(bad, n);
        }

        /* No instance that there could be. */
        memcpy(bad, good, n);
        for (const char *c = "/.%@ *\n\x7f\xff"; *c; c++) {
                *instance = *c;
                check_bad_request(bad, n);
        }
        *instance = 0;
        check_bad_request(bad, n);

        /* No hash. */
        for (const char *c = "AgG/ \x7f\xff"; *c; c++) {
                memcpy(bad, good, n);
                *definition = *c;
                check_bad_request(bad, n);
        }
        request.definition[63] = 0;
        n = opener_request_encode(&request, bad);
        check_bad_request(bad, n);
}

static void test_long_instance(void **state) {
        uint8_t message[OPENER_MESSAGE_SIZE] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

        for (uint8_t n = NAME_INSTANCE_MAX; n <= NAME_INSTANCE_MAX + 1; n++) {
                size_t size = 11 + (size_t)n;

                message[9] = n;
                memset(message + 11, 'a', n);
                memcpy(message + size, "\100\0" HASH, 66);
                if (n > NAME_INSTANCE_MAX)
                        check_bad_request(message, size + 66);
                else
                        assert_int_equal(
                                opener_request_decode(message, size + 66, &(OpenerRequest){}), 0);
        }
}

static void test_bad_replies(void **state) {
        OpenerReply reply = {.id = 1, .status = OPENER_OK, .detail = "d"};
        uint8_t good[OPENER_MESSAGE_SIZE], bad[OPENER_MESSAGE_SIZE];
        size_t n = opener_reply_encode(&reply, good);

        for (size_t i = 0; i < n; i++)
                check_bad_reply(good, i);
        check_bad_reply(good, n + 1);

        memcpy(bad, good, n);
        bad[0] = 2;
        check_bad_reply(bad, n);

        for (int status = 0; status < 256; status++) {
                memcpy(bad, good, n);
                bad[8] = (uint8_t)status;
                if (status == 0 || status >= _OPENER_STATUS_MAX)
                        check_bad_reply(bad, n);
        }

        /* An errno is no negative number. */
        memcpy(bad, good, n);
        bad[12] = 0x80;
        check_bad_reply(bad, n);

        for (int c = 0; c < 256; c++) {
                memcpy(bad, good, n);
                bad[n - 1] = (uint8_t)c;
                if (c < ' ' || c > '~')
                        check_bad_reply(bad, n);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request),           cmocka_unit_test(test_reply),
                cmocka_unit_test(test_detail_is_cleaned), cmocka_unit_test(test_all_statuses),
                cmocka_unit_test(test_bad_requests),      cmocka_unit_test(test_long_instance),
                cmocka_unit_test(test_bad_replies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
