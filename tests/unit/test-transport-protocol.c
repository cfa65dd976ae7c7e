/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/transport-protocol.h"

static void check_same(const TransportMessage *message, const char *text) {
        uint8_t buf[TRANSPORT_MESSAGE_SIZE + 1];
        TransportMessage read;
        size_t n = transport_message_encode(message, buf);

        assert_int_equal(transport_message_decode(buf, n, &read), 0);
        assert_int_equal(read.type, message->type);
        assert_int_equal(read.how, message->how);
        assert_int_equal(read.number, message->number);
        assert_string_equal(read.text, text);

        /* Nothing less, and nothing more. */
        for (size_t i = 0; i < n; i++)
                assert_int_equal(transport_message_decode(buf, i, &read), -EBADMSG);
        buf[n] = 0;
        assert_int_equal(transport_message_decode(buf, n + 1, &read), -EBADMSG);
        buf[0] ^= 2;
        assert_int_equal(transport_message_decode(buf, n, &read), -EBADMSG);
}

static void test_messages(void **state) {
        static const TransportMessage messages[] = {
                {.type = TRANSPORT_LINE, .text = "a line"},
                {.type = TRANSPORT_LINE, .text = "\033]0;x\007\xff"},
                {.type = TRANSPORT_ENDED, .how = TRANSPORT_EXITED, .number = 255, .text = "x"},
                {.type = TRANSPORT_ENDED, .how = TRANSPORT_KILLED, .number = 9},
                {.type = TRANSPORT_ENDED, .how = TRANSPORT_NOT_RUN, .number = 0xffffffff},
        };

        check_same(&messages[0], "a line");
        check_same(&messages[1], "?]0;x??");
        check_same(&messages[2], "x");
        check_same(&messages[3], "");
        check_same(&messages[4], "");
}

static void test_longest(void **state) {
        TransportMessage message = {
                .type = TRANSPORT_ENDED, .how = TRANSPORT_EXITED, .number = UINT32_MAX};
        char text[2 * TRANSPORT_TEXT_MAX];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        transport_message_set_text(&message, text);
        assert_int_equal(strlen(message.text), TRANSPORT_TEXT_MAX);
        check_same(&message, message.text);
}

static void test_bad(void **state) {
        static const char *const bad[] = {
                "\1\0\0\0\0\0\0",           "\1\0\0\0\3\0\0",   "\1\0\0\0\2\0\1\0\0\0\0\0",
                "\1\0\0\0\2\4\1\0\0\0\0\0", "\1\0\0\0\1\1\0\0",
        };
        static const size_t sizes[] = {7, 7, 12, 12, 8};
        TransportMessage read;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(transport_message_decode((const uint8_t *)bad[i], sizes[i], &read),
                                 -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_bad),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
