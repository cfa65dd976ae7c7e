/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "common/agent-protocol.h"
#include "common/bytes.h"
#include "common/utf8.h"

/* What an answer begins with. */
enum {
        ANSWER_CHOICE = 1,
        ANSWER_CANCEL,
};

/* What is longer is cut, between characters. */
static void text_set(char buf[AGENT_TEXT_MAX + 1], const char *text) {
        (void)memccpy(buf, text ?: "", 0, AGENT_TEXT_MAX + 1);
        buf[AGENT_TEXT_MAX] = 0;
        utf8_clean(buf, AGENT_TEXT_MAX);
}

void agent_message_set_text(AgentMessage *message, const char *text) {
        text_set(message->text, text);
}

void agent_message_set_hint(AgentMessage *message, const char *hint) {
        text_set(message->hint, hint);
}

static void put_text(BytesWriter *writer, const char *text) {
        char clean[AGENT_TEXT_MAX + 1];

        text_set(clean, text);
        bytes_put_str(writer, clean);
}

static void get_text(BytesReader *reader, char buf[AGENT_TEXT_MAX + 1]) {
        bytes_get_str(reader, buf, AGENT_TEXT_MAX + 1);
        utf8_clean(buf, AGENT_TEXT_MAX);
}

static void put_names(BytesWriter *writer, const AgentMessage *message) {
        char clean[AGENT_NAME_MAX + 1];

        assert(message->n_names > 0 && message->n_names <= AGENT_NAMES_MAX);

        bytes_put_u8(writer, (uint8_t)message->n_names);
        for (size_t i = 0; i < message->n_names; i++) {
                memcpy(clean, message->names[i], sizeof(clean));
                clean[AGENT_NAME_MAX] = 0;
                utf8_clean(clean, AGENT_NAME_MAX);
                bytes_put_str(writer, clean);
        }
}

/* A name that is none counts as a read that failed. */
static void get_names(BytesReader *reader, AgentMessage *message) {
        size_t n = bytes_get_u8(reader);

        if (n == 0 || n > AGENT_NAMES_MAX) {
                reader->failed = true;
                return;
        }

        for (size_t i = 0; i < n; i++) {
                bytes_get_str(reader, message->names[i], sizeof(message->names[i]));
                if (!message->names[i][0])
                        reader->failed = true;
                utf8_clean(message->names[i], AGENT_NAME_MAX);
        }
        message->n_names = n;
}

size_t agent_message_encode(const AgentMessage *message, uint8_t buf[AGENT_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = AGENT_MESSAGE_SIZE};

        bytes_put_u32(&writer, AGENT_PROTOCOL_VERSION);
        bytes_put_u8(&writer, (uint8_t)message->type);

        if (message->type == AGENT_CONVERSATION)
                bytes_put_u8(&writer, (uint8_t)message->whose);
        if (message->type == AGENT_END)
                bytes_put_u8(&writer, message->code);
        if (message->type == AGENT_CHOOSE) {
                put_text(&writer, message->text);
                put_names(&writer, message);
        }
        if (message->type == AGENT_END || message->type == AGENT_UNAVAILABLE) {
                put_text(&writer, message->text);
                put_text(&writer, message->hint);
        }

        return bytes_put_whole(&writer);
}

int agent_message_decode(const uint8_t *buf, size_t size, AgentMessage *ret) {
        BytesReader reader = {.data = buf, .size = size};
        uint32_t version, type, whose = 0;
        AgentMessage message = {};

        version = bytes_get_u32(&reader);
        type = bytes_get_u8(&reader);

        if (type == AGENT_CONVERSATION)
                whose = bytes_get_u8(&reader);
        if (type == AGENT_END)
                message.code = bytes_get_u8(&reader);
        if (type == AGENT_CHOOSE) {
                get_text(&reader, message.text);
                get_names(&reader, &message);
        }
        if (type == AGENT_END || type == AGENT_UNAVAILABLE) {
                get_text(&reader, message.text);
                get_text(&reader, message.hint);
        }

        if (bytes_get_end(&reader) < 0 || version != AGENT_PROTOCOL_VERSION)
                return -EBADMSG;
        if (type == 0 || type >= _AGENT_MESSAGE_MAX || whose >= _AGENT_WHOSE_MAX)
                return -EBADMSG;
        if (type == AGENT_CONVERSATION && whose == 0)
                return -EBADMSG;

        message.type = (AgentMessageType)type;
        message.whose = (AgentWhose)whose;
        *ret = message;
        return 0;
}

size_t agent_answer_encode(const AgentAnswer *answer, uint8_t buf[AGENT_ANSWER_SIZE]) {
        BytesWriter writer = {.data = buf, .size = AGENT_ANSWER_SIZE};

        bytes_put_u32(&writer, AGENT_PROTOCOL_VERSION);
        bytes_put_u8(&writer, answer->cancelled ? ANSWER_CANCEL : ANSWER_CHOICE);
        bytes_put_u8(&writer, answer->cancelled ? 0 : answer->index);

        return bytes_put_whole(&writer);
}

int agent_answer_decode(const uint8_t *buf, size_t size, AgentAnswer *ret) {
        BytesReader reader = {.data = buf, .size = size};
        AgentAnswer answer = {};
        uint32_t version, type;

        version = bytes_get_u32(&reader);
        type = bytes_get_u8(&reader);
        answer.cancelled = type == ANSWER_CANCEL;
        answer.index = bytes_get_u8(&reader);

        if (bytes_get_end(&reader) < 0 || version != AGENT_PROTOCOL_VERSION)
                return -EBADMSG;
        if (type != ANSWER_CHOICE && (type != ANSWER_CANCEL || answer.index != 0))
                return -EBADMSG;

        *ret = answer;
        return 0;
}
