/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bytes.h"

static void test_round_trip(void **state) {
        uint8_t buf[64];
        BytesWriter writer = {.data = buf, .size = sizeof(buf)};
        BytesReader reader;
        char text[8];
        ssize_t n;

        bytes_put_u8(&writer, 0xab);
        bytes_put_u32(&writer, 0x01020304);
        bytes_put_u32(&writer, UINT32_MAX);
        bytes_put_str(&writer, "");
        bytes_put_str(&writer, "1234567");
        n = bytes_put_end(&writer);
        assert_int_equal(n, 1 + 4 + 4 + 2 + 2 + 7);

        /* Little endian, whatever the machine. */
        assert_memory_equal(buf, "\xab\x04\x03\x02\x01\xff\xff\xff\xff\0\0\7\0001234567", n);

        reader = (BytesReader){.data = buf, .size = (size_t)n};
        assert_int_equal(bytes_get_u8(&reader), 0xab);
        assert_int_equal(bytes_get_u32(&reader), 0x01020304);
        assert_int_equal(bytes_get_u32(&reader), UINT32_MAX);
        bytes_get_str(&reader, text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(bytes_get_end(&reader), -EBADMSG);
        bytes_get_str(&reader, text, sizeof(text));
        assert_string_equal(text, "1234567");
        assert_int_equal(bytes_get_end(&reader), 0);
}

static void test_u64(void **state) {
        uint8_t buf[16];
        BytesWriter writer = {.data = buf, .size = sizeof(buf)};
        BytesReader reader = {.data = buf, .size = sizeof(buf)};

        bytes_put_u64(&writer, UINT64_C(0x0102030405060708));
        bytes_put_u64(&writer, UINT64_MAX);
        assert_int_equal(bytes_put_end(&writer), 16);
        assert_memory_equal(buf, "\x08\7\6\5\4\3\2\1\xff\xff\xff\xff\xff\xff\xff\xff", 16);

        assert_true(bytes_get_u64(&reader) == UINT64_C(0x0102030405060708));
        assert_true(bytes_get_u64(&reader) == UINT64_MAX);
        assert_int_equal(bytes_get_end(&reader), 0);

        /* A part of one is none. */
        reader = (BytesReader){.data = buf, .size = 7};
        assert_true(bytes_get_u64(&reader) == 0);
        assert_int_equal(bytes_get_end(&reader), -EBADMSG);
        bytes_put_u8(&writer, 1);
        assert_int_equal(bytes_put_end(&writer), -ENOBUFS);
}

/* Cut off anywhere, it fails, and what could not be read is zero. */
static void test_truncated(void **state) {
        static const uint8_t whole[] = {7, 1, 0, 0, 0, 3, 0, 'a', 'b', 'c'};

        for (size_t n = 0; n < sizeof(whole); n++) {
                _cleanup_free_ uint8_t *exact = malloc(n > 0 ? n : 1);
                BytesReader reader = {.data = exact, .size = n};
                char text[4] = "xyz";

                assert_non_null(exact);
                memcpy(exact, whole, n);
                assert_int_equal(bytes_get_u8(&reader), n >= 1 ? 7 : 0);
                assert_int_equal(bytes_get_u32(&reader), n >= 5 ? 1 : 0);
                bytes_get_str(&reader, text, sizeof(text));
                assert_string_equal(text, "");
                assert_int_equal(bytes_get_end(&reader), -EBADMSG);
        }
}

/* The first failure sticks: nothing that follows it is taken for something. */
static void test_failure_sticks(void **state) {
        static const uint8_t data[] = {1, 2, 3};
        BytesReader reader = {.data = data, .size = sizeof(data)};
        char text[4];

        assert_int_equal(bytes_get_u32(&reader), 0);
        assert_int_equal(bytes_get_u8(&reader), 0);
        bytes_get_str(&reader, text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(bytes_get_end(&reader), -EBADMSG);
        reader.size = 0;
        assert_int_equal(bytes_get_end(&reader), -EBADMSG);
}

static void check_str(const void *data, size_t n, size_t size, const char *expected) {
        BytesReader reader = {.data = data, .size = n};
        char text[16] = "untouched";

        bytes_get_str(&reader, text, size);
        assert_string_equal(text, expected ?: "");
        assert_int_equal(bytes_get_end(&reader), expected ? 0 : -EBADMSG);
}

static void test_strings(void **state) {
        check_str("\3\0abc", 5, 4, "abc");
        /* No room for the NUL. */
        check_str("\3\0abc", 5, 3, NULL);
        check_str("\0\0", 2, 1, "");
        check_str("\1\0a", 3, 1, NULL);
        /* A length that is a lie, up to the largest. */
        check_str("\4\0abc", 5, 16, NULL);
        check_str("\xff\xff"
                  "abc",
                  5, 16, NULL);
        /* A NUL inside would make two readers see two strings. */
        check_str("\3\0a\0c", 5, 16, NULL);
        check_str("\1\0\0", 3, 16, NULL);
}

static void test_trailing(void **state) {
        BytesReader reader = {.data = (const uint8_t *)"\1\2", .size = 2};

        assert_int_equal(bytes_get_u8(&reader), 1);
        assert_int_equal(bytes_get_end(&reader), -EBADMSG);
        assert_int_equal(bytes_get_u8(&reader), 2);
        assert_int_equal(bytes_get_end(&reader), 0);
}

static void test_full(void **state) {
        uint8_t buf[5] = {9, 9, 9, 9, 9};
        BytesWriter writer = {.data = buf, .size = 4};

        bytes_put_u32(&writer, 0);
        assert_int_equal(bytes_put_end(&writer), 4);
        bytes_put_u8(&writer, 1);
        assert_int_equal(bytes_put_end(&writer), -ENOBUFS);
        assert_int_equal(buf[4], 9);

        /* What fits afterwards does not mend it. */
        writer = (BytesWriter){.data = buf, .size = 3};
        bytes_put_u32(&writer, 0);
        bytes_put_u8(&writer, 1);
        assert_int_equal(bytes_put_end(&writer), -ENOBUFS);

        writer = (BytesWriter){.data = buf, .size = 4};
        bytes_put_str(&writer, "abc");
        assert_int_equal(bytes_put_end(&writer), -ENOBUFS);
        assert_int_equal(buf[4], 9);
}

/* A length has 16 bits. */
static void test_long_string(void **state) {
        size_t size = UINT16_MAX + 16;
        _cleanup_free_ char *text = malloc(size);
        _cleanup_free_ uint8_t *buf = malloc(size);
        BytesWriter writer = {.data = buf, .size = size};

        assert_true(text && buf);
        memset(text, 'x', size);
        text[UINT16_MAX] = 0;
        bytes_put_str(&writer, text);
        assert_int_equal(bytes_put_end(&writer), UINT16_MAX + 2);

        text[UINT16_MAX] = 'x';
        text[UINT16_MAX + 1] = 0;
        writer = (BytesWriter){.data = buf, .size = size};
        bytes_put_str(&writer, text);
        assert_int_equal(bytes_put_end(&writer), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_failure_sticks), cmocka_unit_test(test_strings),
                cmocka_unit_test(test_trailing),       cmocka_unit_test(test_full),
                cmocka_unit_test(test_long_string),    cmocka_unit_test(test_u64),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
