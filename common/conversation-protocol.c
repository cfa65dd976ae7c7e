/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/conversation-protocol.h"
#include "common/bytes.h"
#include "common/utf8.h"

/* What an answer begins with. */
enum {
        ANSWER_TEXT = 1,
        ANSWER_CANCEL,
};

void prompt_set_text(Prompt *prompt, const char *text) {
        /* With what may be left of the last character that begins within the limit: one that is
         * whole and does not fit is cut, one that is not whole is replaced. */
        char copy[CONVERSATION_TEXT_MAX + 4];
        size_t n = strnlen(text, sizeof(copy) - 1);

        memcpy(copy, text, n);
        copy[n] = 0;
        utf8_clean(copy, CONVERSATION_TEXT_MAX);
        memcpy(prompt->text, copy, strlen(copy) + 1);
}

size_t prompt_encode(const Prompt *prompt, uint8_t buf[CONVERSATION_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = CONVERSATION_MESSAGE_SIZE};
        Prompt clean;

        prompt_set_text(&clean, prompt->text);
        bytes_put_u8(&writer, (uint8_t)prompt->kind);
        bytes_put_u32(&writer, prompt->number);
        bytes_put_str(&writer, clean.text);

        return bytes_put_whole(&writer);
}

int prompt_decode(const uint8_t *buf, size_t size, Prompt *ret) {
        BytesReader reader = {.data = buf, .size = size};
        Prompt prompt = {};
        uint32_t kind;

        kind = bytes_get_u8(&reader);
        prompt.number = bytes_get_u32(&reader);
        bytes_get_str(&reader, prompt.text, sizeof(prompt.text));

        if (bytes_get_end(&reader) < 0 || kind == 0 || kind >= _PROMPT_MAX)
                return -EBADMSG;

        /* Whoever sent it is root; it is shown to a person all the same. */
        utf8_clean(prompt.text, CONVERSATION_TEXT_MAX);
        prompt.kind = (PromptKind)kind;
        *ret = prompt;
        return 0;
}

size_t answer_encode(const Answer *answer, uint8_t buf[CONVERSATION_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = CONVERSATION_MESSAGE_SIZE};

        bytes_put_u8(&writer, answer->cancelled ? ANSWER_CANCEL : ANSWER_TEXT);
        bytes_put_u32(&writer, answer->number);
        bytes_put_str(&writer, answer->cancelled ? "" : answer->text);

        return bytes_put_whole(&writer);
}

int answer_decode(const uint8_t *buf, size_t size, Answer *ret) {
        BytesReader reader = {.data = buf, .size = size};
        uint32_t type;
        int r;

        /* Right into the caller's, so that there is no second copy to erase. */
        type = bytes_get_u8(&reader);
        ret->cancelled = type == ANSWER_CANCEL;
        ret->number = bytes_get_u32(&reader);
        bytes_get_str(&reader, ret->text, sizeof(ret->text));

        r = bytes_get_end(&reader);
        if (r == 0 &&
            ((type != ANSWER_TEXT && type != ANSWER_CANCEL) || (ret->cancelled && ret->text[0])))
                r = -EBADMSG;
        if (r < 0)
                explicit_bzero(ret, sizeof(*ret));
        return r;
}
