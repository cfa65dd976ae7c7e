/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/conversation-protocol.h"

static void test_prompt(void **state) {
        Prompt prompt = {.kind = PROMPT_ECHO_OFF, .number = 0x01020304, .text = "Password: "};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt got = {};
        size_t n;

        n = prompt_encode(&prompt, buf);
        assert_int_equal(n, 1 + 4 + 2 + 10);
        assert_memory_equal(buf, "\3\4\3\2\1\12\0Password: ", n);
        assert_int_equal(prompt_decode(buf, n, &got), 0);
        assert_int_equal(got.kind, PROMPT_ECHO_OFF);
        assert_int_equal(got.number, prompt.number);
        assert_string_equal(got.text, prompt.text);

        prompt.text[0] = 0;
        n = prompt_encode(&prompt, buf);
        assert_int_equal(prompt_decode(buf, n, &got), 0);
        assert_string_equal(got.text, "");
}

static void test_all_kinds(void **state) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];

        for (int kind = 0; kind < 256; kind++) {
                Prompt prompt = {.kind = PROMPT_INFO, .text = "x"}, got = {.number = 77};
                size_t n = prompt_encode(&prompt, buf);
                bool valid = kind > 0 && kind < _PROMPT_MAX;

                buf[0] = (uint8_t)kind;
                assert_int_equal(prompt_decode(buf, n, &got), valid ? 0 : -EBADMSG);
                assert_int_equal(got.number, valid ? 0 : 77);
                if (valid)
                        assert_int_equal(got.kind, kind);
        }

        assert_true(prompt_wants_answer(PROMPT_NAME));
        assert_true(prompt_wants_answer(PROMPT_ECHO_ON));
        assert_true(prompt_wants_answer(PROMPT_ECHO_OFF));
        assert_false(prompt_wants_answer(PROMPT_INFO));
        assert_false(prompt_wants_answer(PROMPT_ERROR));
}

static void check_text(const char *text, const char *expected) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt = {.kind = PROMPT_INFO}, got;
        size_t n;

        prompt_set_text(&prompt, text);
        assert_string_equal(prompt.text, expected);

        /* Encoding does the same to what was put there by hand. */
        if (strlen(text) > CONVERSATION_TEXT_MAX)
                return;
        memcpy(prompt.text, text, strlen(text) + 1);
        n = prompt_encode(&prompt, buf);
        assert_int_equal(prompt_decode(buf, n, &got), 0);
        assert_string_equal(got.text, expected);
}

static void test_text_is_cleaned(void **state) {
        check_text("Passwort f\303\274r J\303\266rg: ", "Passwort f\303\274r J\303\266rg: ");
        check_text("one\ntwo\tthree", "one two three");
        check_text("a\033[2Jb\302\233c\377", "a?[2Jb??c?");
        check_text("", "");
}

/* What is too long is cut, between characters, however long it is. */
static void test_text_is_cut(void **state) {
        static const char *const characters[] = {"x", "\303\274", "\342\202\254",
                                                 "\360\237\224\221"};
        char text[2048], expected[CONVERSATION_TEXT_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(characters); i++)
                for (size_t shift = 0; shift < 4; shift++) {
                        size_t size = strlen(characters[i]), n = shift;

                        memset(text, '.', shift);
                        for (; n + size < sizeof(text); n += size)
                                memcpy(text + n, characters[i], size);
                        text[n] = 0;

                        n = shift + (CONVERSATION_TEXT_MAX - shift) / size * size;
                        memcpy(expected, text, n);
                        expected[n] = 0;
                        check_text(text, expected);
                }

        memset(text, 'x', sizeof(text));
        text[CONVERSATION_TEXT_MAX] = 0;
        check_text(text, text);
}

/* A peer that does not clean what it sends is no way to the terminal. */
static void test_received_text_is_cleaned(void **state) {
        Prompt got;

        assert_int_equal(prompt_decode((const uint8_t *)"\4\0\0\0\0\4\0\033[Hx", 11, &got), 0);
        assert_string_equal(got.text, "?[Hx");
}

static void check_bad_prompt(const void *data, size_t n) {
        Prompt got = {.number = 77};

        assert_int_equal(prompt_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.number, 77);
}

static void test_bad_prompts(void **state) {
        Prompt prompt = {.kind = PROMPT_ECHO_ON, .number = 1, .text = "p"};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE] = {};
        size_t n = prompt_encode(&prompt, buf);

        for (size_t i = 0; i < n; i++)
                check_bad_prompt(buf, i);
        check_bad_prompt(buf, n + 1);
        check_bad_prompt(buf, sizeof(buf));
        buf[n - 1] = 0;
        check_bad_prompt(buf, n);

        /* One byte more than there may be. */
        memset(buf, 'x', sizeof(buf));
        memcpy(buf, "\2\1\0\0\0\1\2", 7);
        check_bad_prompt(buf, 7 + 513);
        buf[5] = 0;
        assert_int_equal(prompt_decode(buf, 7 + 512, &prompt), 0);
        assert_int_equal(strlen(prompt.text), 512);
}

static void test_answer(void **state) {
        Answer answer = {.number = 0x01020304, .text = "correct horse"};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Answer got = {};
        size_t n;

        n = answer_encode(&answer, buf);
        assert_int_equal(n, 1 + 4 + 2 + 13);
        assert_memory_equal(buf, "\1\4\3\2\1\15\0correct horse", n);
        assert_int_equal(answer_decode(buf, n, &got), 0);
        assert_false(got.cancelled);
        assert_int_equal(got.number, answer.number);
        assert_string_equal(got.text, answer.text);

        /* Enter is an answer. */
        answer.text[0] = 0;
        n = answer_encode(&answer, buf);
        assert_int_equal(answer_decode(buf, n, &got), 0);
        assert_false(got.cancelled);
        assert_string_equal(got.text, "");

        /* What a person typed is nobody's to change. */
        memcpy(answer.text, "\t\033\377\302\200", 6);
        n = answer_encode(&answer, buf);
        assert_int_equal(answer_decode(buf, n, &got), 0);
        assert_string_equal(got.text, answer.text);

        memset(answer.text, 'x', CONVERSATION_ANSWER_MAX);
        answer.text[CONVERSATION_ANSWER_MAX] = 0;
        n = answer_encode(&answer, buf);
        assert_int_equal(answer_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.text), CONVERSATION_ANSWER_MAX);
}

/* With what was typed by then left out. */
static void test_cancel(void **state) {
        Answer answer = {.cancelled = true, .number = 9, .text = "half a pass"}, got = {};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t n;

        n = answer_encode(&answer, buf);
        assert_int_equal(n, 1 + 4 + 2);
        assert_memory_equal(buf, "\2\11\0\0\0\0\0", n);
        assert_int_equal(answer_decode(buf, n, &got), 0);
        assert_true(got.cancelled);
        assert_int_equal(got.number, 9);
        assert_string_equal(got.text, "");
}

/* Nothing of what was refused is left. */
static void check_bad_answer(const void *data, size_t n) {
        static const Answer zero = {};
        Answer got;

        memset(&got, 0xaa, sizeof(got));
        assert_int_equal(answer_decode(data, n, &got), -EBADMSG);
        assert_memory_equal(&got, &zero, sizeof(got));
}

static void test_bad_answers(void **state) {
        Answer answer = {.number = 1, .text = "a"};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE] = {};
        size_t n = answer_encode(&answer, buf);

        for (size_t i = 0; i < n; i++)
                check_bad_answer(buf, i);
        check_bad_answer(buf, n + 1);
        check_bad_answer(buf, sizeof(buf));

        for (int type = 0; type < 256; type++) {
                buf[0] = (uint8_t)type;
                if (type != 1)
                        check_bad_answer(buf, n);
        }

        buf[0] = 1;
        buf[n - 1] = 0;
        check_bad_answer(buf, n);

        /* One byte more than PAM takes. */
        memset(buf, 'x', sizeof(buf));
        memcpy(buf, "\1\1\0\0\0\0\2", 7);
        check_bad_answer(buf, 7 + 512);
        memcpy(buf + 5, "\377\1", 2);
        assert_int_equal(answer_decode(buf, 7 + 511, &answer), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prompt),
                cmocka_unit_test(test_all_kinds),
                cmocka_unit_test(test_text_is_cleaned),
                cmocka_unit_test(test_text_is_cut),
                cmocka_unit_test(test_received_text_is_cleaned),
                cmocka_unit_test(test_bad_prompts),
                cmocka_unit_test(test_answer),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_bad_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
