/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message of the agent, and as an answer to it
 *
 * What is taken must be within its bounds and fit to be shown, and survive being written.
 */

#include "common/agent-protocol.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text, size_t max) {
        PROMISE(strnlen(text, max + 1) <= max);
        for (const char *c = text; *c; c++)
                PROMISE((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_message(const AgentMessage *message) {
        uint8_t buf[AGENT_MESSAGE_SIZE];
        AgentMessage again;
        size_t n;

        PROMISE(message->type > 0 && message->type < _AGENT_MESSAGE_MAX);
        PROMISE((message->type == AGENT_CONVERSATION) == (message->whose > 0));
        PROMISE((message->type == AGENT_CHOOSE) == (message->n_names > 0));
        PROMISE(message->n_names <= AGENT_NAMES_MAX);
        check_text(message->text, AGENT_TEXT_MAX);
        check_text(message->hint, AGENT_TEXT_MAX);
        for (size_t i = 0; i < message->n_names; i++) {
                check_text(message->names[i], AGENT_NAME_MAX);
                PROMISE(message->names[i][0]);
        }

        n = agent_message_encode(message, buf);
        PROMISE(agent_message_decode(buf, n, &again) == 0);
        PROMISE(again.type == message->type && again.whose == message->whose &&
                again.code == message->code && again.n_names == message->n_names);
        PROMISE(streq(again.text, message->text) && streq(again.hint, message->hint));
        for (size_t i = 0; i < message->n_names; i++)
                PROMISE(streq(again.names[i], message->names[i]));
}

static void check_answer(const AgentAnswer *answer) {
        uint8_t buf[AGENT_ANSWER_SIZE];
        AgentAnswer again;
        size_t n;

        n = agent_answer_encode(answer, buf);
        PROMISE(agent_answer_decode(buf, n, &again) == 0);
        PROMISE(again.cancelled == answer->cancelled && again.index == answer->index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        AgentMessage message;
        AgentAnswer answer;
        int r;

        r = agent_message_decode(data, size, &message);
        PROMISE(r == 0 || r == -EBADMSG);
        if (r == 0)
                check_message(&message);

        r = agent_answer_decode(data, size, &answer);
        PROMISE(r == 0 || r == -EBADMSG);
        if (r == 0)
                check_answer(&answer);

        return 0;
}
