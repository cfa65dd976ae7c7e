/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message of a conversation, either way, and as the text of a prompt
 *
 * What a person is shown is one line of UTF-8 that no terminal obeys, and is no longer than may be;
 * an answer is what was sent, byte for byte; and of an answer that is refused nothing is left.
 */

#include "common/conversation-protocol.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

/* A second reader of UTF-8, by its ranges rather than by its values. */
static bool is_shown_safely(const char *text) {
        const unsigned char *c = (const unsigned char *)text;

        while (*c) {
                unsigned low = 0x80, high = 0xbf, more;

                if (*c >= ' ' && *c < 0x7f) {
                        c++;
                        continue;
                }
                if (*c >= 0xc2 && *c <= 0xdf)
                        more = 1;
                else if (*c >= 0xe0 && *c <= 0xef)
                        more = 2;
                else if (*c >= 0xf0 && *c <= 0xf4)
                        more = 3;
                else
                        return false;

                low = *c == 0xc2 || *c == 0xe0 ? 0xa0 : *c == 0xf0 ? 0x90 : low;
                high = *c == 0xed ? 0x9f : *c == 0xf4 ? 0x8f : high;
                if (c[1] < low || c[1] > high)
                        return false;
                if (*c == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
                                   (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)))
                        return false;
                for (unsigned i = 2; i <= more; i++)
                        if (c[i] < 0x80 || c[i] > 0xbf)
                                return false;
                c += more + 1;
        }

        return true;
}

static void check_prompt(const uint8_t *data, size_t size) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt, before;

        memset(&prompt, 0xaa, sizeof(prompt));
        memcpy(&before, &prompt, sizeof(prompt));
        if (prompt_decode(data, size, &prompt) < 0) {
                PROMISE(memcmp(&prompt, &before, sizeof(prompt)) == 0);
                return;
        }

        PROMISE(prompt.kind > 0 && prompt.kind < _PROMPT_MAX);
        PROMISE(is_shown_safely(prompt.text));
        PROMISE(strlen(prompt.text) <= CONVERSATION_TEXT_MAX);

        /* Cleaning replaces byte for byte: what was as long as may be stays so. */
        PROMISE(prompt_encode(&prompt, buf) == size);
        PROMISE(memcmp(buf, data, 7) == 0);
}

static void check_answer(const uint8_t *data, size_t size) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        static const Answer zero = {};
        Answer answer;

        memset(&answer, 0xaa, sizeof(answer));
        if (answer_decode(data, size, &answer) < 0) {
                PROMISE(memcmp(&answer, &zero, sizeof(answer)) == 0);
                return;
        }

        PROMISE(strlen(answer.text) <= CONVERSATION_ANSWER_MAX);
        PROMISE(!answer.cancelled || !answer.text[0]);
        PROMISE(answer_encode(&answer, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
}

static void check_text(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *)data, size);
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt = {.kind = PROMPT_INFO};
        size_t n;

        PROMISE(text);
        prompt_set_text(&prompt, text);
        n = strlen(prompt.text);
        PROMISE(n <= CONVERSATION_TEXT_MAX);
        PROMISE(is_shown_safely(prompt.text));
        PROMISE(prompt_encode(&prompt, buf) == 7 + n);

        /* Nothing is lost that there is room for. */
        utf8_clean(text, SIZE_MAX);
        PROMISE(strncmp(text, prompt.text, n) == 0);
        PROMISE(!text[n] || n > CONVERSATION_TEXT_MAX - 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_prompt(data, size);
        check_answer(data, size);
        check_text(data, size);
        return 0;
}
