/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/agent-protocol.h"

static AgentMessage decode(const uint8_t *buf, size_t n) {
        AgentMessage got;

        assert_int_equal(agent_message_decode(buf, n, &got), 0);
        return got;
}

static void test_plain(void **state) {
        AgentMessage message = {.type = AGENT_READY}, got;
        uint8_t buf[AGENT_MESSAGE_SIZE];
        size_t n;

        n = agent_message_encode(&message, buf);
        assert_int_equal(n, 4 + 1);
        assert_memory_equal(buf, "\1\0\0\0\1", n);
        got = decode(buf, n);
        assert_int_equal(got.type, AGENT_READY);
        assert_int_equal(got.whose, 0);
        assert_int_equal(got.n_names, 0);
}

static void test_conversation(void **state) {
        uint8_t buf[AGENT_MESSAGE_SIZE];

        for (int whose = 1; whose < _AGENT_WHOSE_MAX; whose++) {
                AgentMessage message = {.type = AGENT_CONVERSATION, .whose = (AgentWhose)whose};
                size_t n = agent_message_encode(&message, buf);

                assert_int_equal(n, 4 + 1 + 1);
                assert_int_equal(decode(buf, n).type, AGENT_CONVERSATION);
                assert_int_equal(decode(buf, n).whose, whose);
        }
}

static void test_choose(void **state) {
        AgentMessage message = {.type = AGENT_CHOOSE, .n_names = 2, .names = {"carol", "dave"}};
        uint8_t buf[AGENT_MESSAGE_SIZE];
        AgentMessage got;
        size_t n;

        agent_message_set_text(&message, "Open it");
        n = agent_message_encode(&message, buf);
        assert_int_equal(n, 4 + 1 + 2 + 7 + 1 + 2 + 5 + 2 + 4);
        assert_memory_equal(buf, "\1\0\0\0\2\7\0Open it\2\5\0carol\4\0dave", n);
        got = decode(buf, n);
        assert_int_equal(got.n_names, 2);
        assert_string_equal(got.text, "Open it");
        assert_string_equal(got.names[0], "carol");
        assert_string_equal(got.names[1], "dave");
}

static void test_endings(void **state) {
        AgentMessage message = {.type = AGENT_END, .code = 12, .text = "No.", .hint = "Try again."};
        uint8_t buf[AGENT_MESSAGE_SIZE];
        AgentMessage got;
        size_t n;

        n = agent_message_encode(&message, buf);
        assert_memory_equal(buf, "\1\0\0\0\4\14\3\0No.\12\0Try again.", n);
        got = decode(buf, n);
        assert_int_equal(got.type, AGENT_END);
        assert_int_equal(got.code, 12);
        assert_string_equal(got.text, "No.");
        assert_string_equal(got.hint, "Try again.");

        message.type = AGENT_UNAVAILABLE;
        message.hint[0] = 0;
        n = agent_message_encode(&message, buf);
        assert_memory_equal(buf, "\1\0\0\0\5\3\0No.\0\0", n);
        got = decode(buf, n);
        assert_int_equal(got.type, AGENT_UNAVAILABLE);
        assert_string_equal(got.text, "No.");
        assert_string_equal(got.hint, "");
}

/* Everything at its longest, and more than that. */
static void test_longest(void **state) {
        AgentMessage message = {.type = AGENT_CHOOSE, .n_names = AGENT_NAMES_MAX}, got;
        char text[AGENT_TEXT_MAX + 100];
        uint8_t buf[AGENT_MESSAGE_SIZE];
        size_t n;

        memset(text, 't', sizeof(text));
        text[sizeof(text) - 1] = 0;
        agent_message_set_text(&message, text);
        agent_message_set_hint(&message, text);
        for (size_t i = 0; i < AGENT_NAMES_MAX; i++)
                memset(message.names[i], 'n', sizeof(message.names[i]));

        n = agent_message_encode(&message, buf);
        assert_true(n > AGENT_MESSAGE_SIZE - 32);
        got = decode(buf, n);
        assert_int_equal(strlen(got.text), AGENT_TEXT_MAX);
        assert_int_equal(got.n_names, AGENT_NAMES_MAX);
        for (size_t i = 0; i < AGENT_NAMES_MAX; i++)
                assert_int_equal(strlen(got.names[i]), AGENT_NAME_MAX);

        message.type = AGENT_END;
        n = agent_message_encode(&message, buf);
        assert_int_equal(strlen(decode(buf, n).hint), AGENT_TEXT_MAX);

        agent_message_set_text(&message, NULL);
        assert_string_equal(message.text, "");
}

/* They are shown to a person, whoever wrote them. */
static void test_texts_are_cleaned(void **state) {
        static const uint8_t raw[] = "\1\0\0\0\2\3\0a\nb\1\4\0c\033[2";
        AgentMessage message = {.type = AGENT_UNAVAILABLE}, got;
        uint8_t buf[AGENT_MESSAGE_SIZE];
        size_t n;

        agent_message_set_text(&message, "a\nb\033[2J\x7f z~");
        assert_string_equal(message.text, "a b?[2J? z~");
        memcpy(message.hint, "\r!", 3);
        n = agent_message_encode(&message, buf);
        assert_string_equal((decode(buf, n)).hint, "?!");

        got = decode(raw, sizeof(raw) - 1);
        assert_string_equal(got.text, "a b");
        assert_string_equal(got.names[0], "c?[2");
}

static void check_bad(const void *data, size_t n) {
        AgentMessage got = {.code = 77};

        assert_int_equal(agent_message_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.code, 77);
}

/* Cut anywhere, with more behind it, of another version, or with a NUL in a text. */
static void check_variants(const AgentMessage *message) {
        uint8_t good[AGENT_MESSAGE_SIZE], bad[AGENT_MESSAGE_SIZE] = {};
        size_t n = agent_message_encode(message, good);

        for (size_t i = 0; i < n; i++)
                check_bad(good, i);

        memcpy(bad, good, n);
        check_bad(bad, n + 1);
        for (size_t i = 0; i < 4; i++) {
                memcpy(bad, good, n);
                bad[i] ^= 0x40;
                check_bad(bad, n);
        }

        if (message->text[0]) {
                uint8_t *c = memchr(good, message->text[0], n);

                assert_non_null(c);
                *c = 0;
                check_bad(good, n);
        }
}

static void test_bad_messages(void **state) {
        const AgentMessage messages[] = {
                {.type = AGENT_READY},
                {.type = AGENT_CONVERSATION, .whose = AGENT_WHOSE_OURS},
                {.type = AGENT_CHOOSE, .text = "xy", .n_names = 2, .names = {"carol", "dave"}},
                {.type = AGENT_END, .code = 12, .text = "xy", .hint = "z"},
                {.type = AGENT_UNAVAILABLE, .text = "xy"},
        };
        uint8_t bad[AGENT_MESSAGE_SIZE] = {1};

        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                check_variants(&messages[i]);

        for (int type = 0; type < 256; type++) {
                bad[4] = (uint8_t)type;
                if (type != AGENT_READY)
                        check_bad(bad, 5);
        }

        bad[4] = AGENT_CONVERSATION;
        for (int whose = 0; whose < 256; whose++) {
                bad[5] = (uint8_t)whose;
                if (whose != AGENT_WHOSE_ROOT && whose != AGENT_WHOSE_OURS)
                        check_bad(bad, 6);
        }
}

static void test_bad_names(void **state) {
        uint8_t bad[AGENT_MESSAGE_SIZE + 64] = {1, 0, 0, 0, AGENT_CHOOSE};

        /* None; an empty one; more than there is room for. */
        check_bad(bad, 8);
        bad[7] = 1;
        check_bad(bad, 10);
        bad[8] = 1;
        bad[10] = 'c';
        assert_int_equal(agent_message_decode(bad, 11, &(AgentMessage){}), 0);

        bad[7] = AGENT_NAMES_MAX + 1;
        for (size_t i = 0; i < AGENT_NAMES_MAX + 1; i++)
                memcpy(bad + 8 + 3 * i, "\1\0c", 3);
        check_bad(bad, 8 + 3 * (AGENT_NAMES_MAX + 1));
        bad[7] = AGENT_NAMES_MAX;
        assert_int_equal(agent_message_decode(bad, 8 + 3 * AGENT_NAMES_MAX, &(AgentMessage){}), 0);

        /* Too long. */
        memset(bad + 8, 'c', AGENT_NAME_MAX + 8);
        bad[7] = 1;
        bad[8] = (AGENT_NAME_MAX + 1) & 0xff;
        bad[9] = (AGENT_NAME_MAX + 1) >> 8;
        check_bad(bad, 10 + AGENT_NAME_MAX + 1);
}

static void test_answers(void **state) {
        uint8_t buf[AGENT_ANSWER_SIZE];
        AgentAnswer got;
        size_t n;

        n = agent_answer_encode(&(AgentAnswer){.index = 15}, buf);
        assert_int_equal(n, 6);
        assert_memory_equal(buf, "\1\0\0\0\1\17", n);
        assert_int_equal(agent_answer_decode(buf, n, &got), 0);
        assert_false(got.cancelled);
        assert_int_equal(got.index, 15);

        n = agent_answer_encode(&(AgentAnswer){.cancelled = true, .index = 3}, buf);
        assert_memory_equal(buf, "\1\0\0\0\2\0", n);
        assert_int_equal(agent_answer_decode(buf, n, &got), 0);
        assert_true(got.cancelled);
        assert_int_equal(got.index, 0);
}

static void check_bad_answer(const void *data, size_t n) {
        AgentAnswer got = {.index = 77};

        assert_int_equal(agent_answer_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.index, 77);
}

static void test_bad_answers(void **state) {
        uint8_t good[AGENT_ANSWER_SIZE + 1] = {}, bad[AGENT_ANSWER_SIZE];
        size_t n = agent_answer_encode(&(AgentAnswer){.index = 1}, good);

        for (size_t i = 0; i < n; i++)
                check_bad_answer(good, i);
        check_bad_answer(good, n + 1);

        for (int type = 0; type < 256; type++) {
                memcpy(bad, good, n);
                bad[4] = (uint8_t)type;
                if (type != 1)
                        check_bad_answer(bad, n);
        }

        memcpy(bad, good, n);
        bad[0] = 2;
        check_bad_answer(bad, n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),        cmocka_unit_test(test_conversation),
                cmocka_unit_test(test_choose),       cmocka_unit_test(test_endings),
                cmocka_unit_test(test_longest),      cmocka_unit_test(test_texts_are_cleaned),
                cmocka_unit_test(test_bad_messages), cmocka_unit_test(test_bad_names),
                cmocka_unit_test(test_answers),      cmocka_unit_test(test_bad_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
