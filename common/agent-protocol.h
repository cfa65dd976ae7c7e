#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Agent protocol: what doorward-agent and the library that started it say to each other
 *
 * One seqpacket message each way, little endian, nothing optional, over a pair of sockets that the
 * library makes.
 *
 *   agent to library
 *     ready         u32 version, u8 1
 *     choose        u32 version, u8 2, str text, u8 n (1 to 16), n str names (at most 256)
 *     conversation  u32 version, u8 3, u8 whose                              + 1 descriptor
 *     end           u32 version, u8 4, u8 class, str text, str hint
 *     unavailable   u32 version, u8 5, str text, str hint
 *   library to agent
 *     choice        u32 version, u8 1, u8 index
 *     cancel        u32 version, u8 2, u8 0
 *
 * A str is a u16 length and that many bytes, none of them NUL; a text and a hint have at most 1024.
 * Ready or unavailable comes once, and first. Then, for each question of polkit's: choose, which a
 * choice or a cancel answers (of one name there is nothing to choose, but the person is told whose
 * password it is); a conversation, whose secrets pass over its own descriptor; end, if it came to
 * nothing, with a class of client/doorward.h and why, or with class 0 and no text if polkit has
 * taken its question back, in the middle of the choice perhaps. That it was successful is told by
 * nobody but the broker. Whoever hangs up ends all of it.
 *
 * The version counts: a library that was loaded before an upgrade starts the agent of after it.
 */

#include <sys/types.h>

#include "common/macros.h"

#define AGENT_PROTOCOL_VERSION 1U
#define AGENT_TEXT_MAX 1024
#define AGENT_NAMES_MAX 16U
#define AGENT_NAME_MAX 256
/* The longest messages, rounded up. */
#define AGENT_MESSAGE_SIZE 5184
#define AGENT_ANSWER_SIZE 8

typedef enum AgentMessageType {
        AGENT_READY = 1,    /* polkit knows the agent */
        AGENT_CHOOSE,       /* which of the names is it to be */
        AGENT_CONVERSATION, /* hold it */
        AGENT_END,          /* a question of polkit's was not answered, for this reason */
        AGENT_UNAVAILABLE,  /* there will be no agent, for this reason */
        _AGENT_MESSAGE_MAX,
} AgentMessageType;

/* Who asks in a conversation: the PAM helper, which is root; or the agent itself, of whoever
 * started it, which passes on what polkit's own helper asks. */
typedef enum AgentWhose {
        AGENT_WHOSE_ROOT = 1,
        AGENT_WHOSE_OURS,
        _AGENT_WHOSE_MAX,
} AgentWhose;

typedef struct AgentMessage {
        AgentMessageType type;
        AgentWhose whose;              /* of conversation */
        uint8_t code;                  /* of end */
        char text[AGENT_TEXT_MAX + 1]; /* of choose: for what; of the last two: what happened */
        char hint[AGENT_TEXT_MAX + 1]; /* of the last two: what to do about it, or "" */
        size_t n_names;                /* of choose */
        char names[AGENT_NAMES_MAX][AGENT_NAME_MAX + 1];
} AgentMessage;

typedef struct AgentAnswer {
        bool cancelled;
        uint8_t index; /* of the name that was chosen */
} AgentAnswer;

/* Each returns the length of the message. Texts, hints and names are made fit to be shown. */
size_t agent_message_encode(const AgentMessage *message, uint8_t buf[AGENT_MESSAGE_SIZE]);
size_t agent_answer_encode(const AgentAnswer *answer, uint8_t buf[AGENT_ANSWER_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. */
int agent_message_decode(const uint8_t *buf, size_t size, AgentMessage *ret) _must_check_;
int agent_answer_decode(const uint8_t *buf, size_t size, AgentAnswer *ret) _must_check_;

/* Sets the text of a message, or the hint, as far as it fits. NULL is "". */
void agent_message_set_text(AgentMessage *message, const char *text);
void agent_message_set_hint(AgentMessage *message, const char *hint);
