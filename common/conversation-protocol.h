#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Conversation protocol: what the PAM helper and the client say to each other
 *
 * One seqpacket message each way, little endian. The helper makes the pair of sockets, so that what
 * the client writes reaches nobody else, and sets SO_PASSCRED on both ends: a prompt is answered
 * only if root sent it.
 *
 *   prompt  u8 kind, u32 number, str text (at most 512)
 *   answer  u8 1, u32 number, str answer (at most 511)
 *   cancel  u8 2, u32 number, str, empty
 *
 * A str is a u16 length and that many bytes, none of them NUL. An answer has the number of its
 * prompt; info and error texts have none. Prompts come one at a time. The end of the conversation
 * is the end of the connection, by either side: how it ended is told by the broker.
 */

#include <sys/types.h>

#include "common/macros.h"

/* PAM_MAX_MSG_SIZE and PAM_MAX_RESP_SIZE, less the NUL of the latter. */
#define CONVERSATION_TEXT_MAX 512
#define CONVERSATION_ANSWER_MAX 511
/* The longest message, rounded up. */
#define CONVERSATION_MESSAGE_SIZE 528

typedef enum PromptKind {
        PROMPT_NAME = 1, /* whom to authenticate as; before PAM is asked anything */
        PROMPT_ECHO_ON,
        PROMPT_ECHO_OFF,
        PROMPT_INFO,  /* no answer */
        PROMPT_ERROR, /* no answer */
        _PROMPT_MAX,
} PromptKind;

typedef struct Prompt {
        PromptKind kind;
        uint32_t number;
        char text[CONVERSATION_TEXT_MAX + 1];
} Prompt;

/* To be erased by whoever has had one. */
typedef struct Answer {
        bool cancelled;
        uint32_t number;
        char text[CONVERSATION_ANSWER_MAX + 1];
} Answer;

static inline bool prompt_wants_answer(PromptKind kind) {
        return kind != PROMPT_INFO && kind != PROMPT_ERROR;
}

/* Each returns the length of the message. A prompt's text is PAM's, and a module's, and what it is
 * made of: control characters are replaced, and what does not fit is cut, between characters. */
size_t prompt_encode(const Prompt *prompt, uint8_t buf[CONVERSATION_MESSAGE_SIZE]);
size_t answer_encode(const Answer *answer, uint8_t buf[CONVERSATION_MESSAGE_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message. */
int prompt_decode(const uint8_t *buf, size_t size, Prompt *ret) _must_check_;
int answer_decode(const uint8_t *buf, size_t size, Answer *ret) _must_check_;

/* Puts text into a prompt as prompt_encode() would have it. */
void prompt_set_text(Prompt *prompt, const char *text);
