/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/filter-protocol.h"

static void test_request(void **state) {
        FilterRequest request = {.filter = "docker", .profile = "status", .endpoint = "engine@two"};
        uint8_t buf[FILTER_MESSAGE_SIZE];
        FilterRequest got = {};
        size_t n;

        n = filter_request_encode(&request, buf);
        assert_int_equal(n, 4 + 2 + 6 + 2 + 6 + 2 + 10);
        assert_memory_equal(buf, "\1\0\0\0\6\0docker\6\0status\12\0engine@two", n);
        assert_int_equal(filter_request_decode(buf, n, &got), 0);
        assert_string_equal(got.filter, "docker");
        assert_string_equal(got.profile, "status");
        assert_string_equal(got.endpoint, "engine@two");

        /* As long as can be. */
        memset(request.filter, 'f', FILTER_WORD_MAX);
        memset(request.profile, 'p', FILTER_WORD_MAX);
        memset(request.endpoint, 'e', sizeof(request.endpoint) - 1);
        request.endpoint[NAME_ENDPOINT_MAX] = '@';
        n = filter_request_encode(&request, buf);
        assert_int_equal(filter_request_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.filter), FILTER_WORD_MAX);
        assert_int_equal(strlen(got.profile), FILTER_WORD_MAX);
        assert_string_equal(got.endpoint, request.endpoint);
}

static void test_reply(void **state) {
        FilterReply reply = {.ok = true}, got = {};
        uint8_t buf[FILTER_MESSAGE_SIZE];
        size_t n;

        n = filter_reply_encode(&reply, buf);
        assert_int_equal(n, 5);
        assert_memory_equal(buf, "\1\0\0\0\1", n);
        assert_int_equal(filter_reply_decode(buf, n, &got), 0);
        assert_true(got.ok);
        assert_int_equal(got.error, 0);
        assert_string_equal(got.text, "");

        reply = (FilterReply){.error = 24, .text = "socketpair"};
        n = filter_reply_encode(&reply, buf);
        assert_int_equal(n, 4 + 1 + 4 + 2 + 10);
        assert_memory_equal(buf, "\1\0\0\0\2\30\0\0\0\12\0socketpair", n);
        assert_int_equal(filter_reply_decode(buf, n, &got), 0);
        assert_false(got.ok);
        assert_int_equal(got.error, 24);
        assert_string_equal(got.text, "socketpair");

        /* As long as can be, and even without its NUL. */
        memset(reply.text, 't', sizeof(reply.text));
        n = filter_reply_encode(&reply, buf);
        assert_int_equal(filter_reply_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.text), FILTER_TEXT_MAX);
}

/* A text is for people, so what it was made of is not repeated as it is. */
static void test_text_is_cleaned(void **state) {
        FilterReply reply = {.error = 5, .text = "a\nb\033[2J\x7f\xc3\xa9 z~"}, got;
        uint8_t buf[FILTER_MESSAGE_SIZE];
        size_t n;

        n = filter_reply_encode(&reply, buf);
        assert_int_equal(filter_reply_decode(buf, n, &got), 0);
        assert_string_equal(got.text, "a?b?[2J??? z~");
}

static void check_bad_request(const void *data, size_t n) {
        FilterRequest got = {.filter = "untouched"};

        assert_int_equal(filter_request_decode(data, n, &got), -EBADMSG);
        assert_string_equal(got.filter, "untouched");
}

static void check_bad_reply(const void *data, size_t n) {
        FilterReply got = {.error = 77};

        assert_int_equal(filter_reply_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.error, 77);
}

static void test_bad_requests(void **state) {
        FilterRequest request = {.filter = "docker", .profile = "status", .endpoint = "docker"};
        uint8_t good[FILTER_MESSAGE_SIZE] = {}, bad[FILTER_MESSAGE_SIZE];
        size_t n = filter_request_encode(&request, good), filter = 6, profile = 14, endpoint = 22;

        for (size_t i = 0; i < n; i++)
                check_bad_request(good, i);
        check_bad_request(good, n + 1);
        check_bad_request(good, sizeof(good));

        for (int version = 0; version < 256; version++) {
                memcpy(bad, good, n);
                bad[0] = (uint8_t)version;
                if (version != FILTER_PROTOCOL_VERSION)
                        check_bad_request(bad, n);
        }
        memcpy(bad, good, n);
        bad[3] = 1;
        check_bad_request(bad, n);

        /* No names that there could be. */
        for (int c = 0; c < 256; c++) {
                if (c && strchr("abcdefghijklmnopqrstuvwxyz0123456789-", c))
                        continue;
                memcpy(bad, good, n);
                bad[filter] = (uint8_t)c;
                check_bad_request(bad, n);
                memcpy(bad, good, n);
                bad[profile] = (uint8_t)c;
                check_bad_request(bad, n);
                memcpy(bad, good, n);
                bad[endpoint] = (uint8_t)c;
                check_bad_request(bad, n);
        }
}

static void test_empty_requests(void **state) {
        FilterRequest none[] = {
                {.profile = "status", .endpoint = "docker"},
                {.filter = "docker", .endpoint = "docker"},
                {.filter = "docker", .profile = "status"},
        };
        uint8_t buf[FILTER_MESSAGE_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                check_bad_request(buf, filter_request_encode(&none[i], buf));
}

static void test_long_words(void **state) {
        uint8_t message[FILTER_MESSAGE_SIZE] = {1, 0, 0, 0};

        for (uint8_t n = FILTER_WORD_MAX; n <= FILTER_WORD_MAX + 1; n++) {
                size_t size = 6 + (size_t)n;

                message[4] = n;
                memset(message + 6, 'a', n);
                memcpy(message + size, "\6\0status\6\0docker", 16);
                if (n > FILTER_WORD_MAX)
                        check_bad_request(message, size + 16);
                else
                        assert_int_equal(
                                filter_request_decode(message, size + 16, &(FilterRequest){}), 0);
        }
}

static void test_bad_replies(void **state) {
        FilterReply reply = {.error = 5, .text = "t"}, ok = {.ok = true};
        uint8_t good[FILTER_MESSAGE_SIZE] = {}, bad[FILTER_MESSAGE_SIZE];
        size_t n = filter_reply_encode(&reply, good);

        for (size_t i = 0; i < n; i++)
                check_bad_reply(good, i);
        check_bad_reply(good, n + 1);

        memcpy(bad, good, n);
        bad[0] = 2;
        check_bad_reply(bad, n);

        /* Another type, and the other one, which has no more than that. */
        for (int type = 0; type < 256; type++) {
                memcpy(bad, good, n);
                bad[4] = (uint8_t)type;
                if (type != 2)
                        check_bad_reply(bad, n);
        }
        check_bad_reply(bad, filter_reply_encode(&ok, bad) + 1);

        /* An errno is a number that says something, and no negative one. */
        memcpy(bad, good, n);
        bad[5] = 0;
        check_bad_reply(bad, n);
        memcpy(bad, good, n);
        bad[8] = 0x80;
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
                cmocka_unit_test(test_request),         cmocka_unit_test(test_reply),
                cmocka_unit_test(test_text_is_cleaned), cmocka_unit_test(test_bad_requests),
                cmocka_unit_test(test_empty_requests),  cmocka_unit_test(test_long_words),
                cmocka_unit_test(test_bad_replies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
