#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transport protocol: what doorward-transport tells the library that started it
 *
 * Seqpacket messages, little endian, in one direction; the library says nothing, but hangs up when
 * it wants an end.
 *
 *   line   u32 version, u8 1, str text                    the program said so on standard error
 *   ended  u32 version, u8 2, u8 how, u32 number, str text
 *
 * A str is a u16 length and that many bytes, none of them NUL, 512 at most. Lines come as they are
 * said, as many as TRANSPORT_LINES_MAX for people and as many of news: a program that says much
 * does not hide why the lease has ended. Ended comes once, and last: whether the program exited or
 * was killed, with which number; or that it could not be started, with an errno; and the last lines
 * of standard error that were not news. What the program said is of others, and made fit to be
 * shown.
 *
 * The version counts: a library that was loaded before an upgrade starts the transport of after it.
 */

#include <sys/types.h>

#include "common/macros.h"

#define TRANSPORT_PROTOCOL_VERSION 1U
#define TRANSPORT_TEXT_MAX 512U
/* The longest message, rounded up. */
#define TRANSPORT_MESSAGE_SIZE 528
/* Of one program and one sort: more is not passed on. */
#define TRANSPORT_LINES_MAX 64U

typedef enum TransportMessageType {
        TRANSPORT_LINE = 1,
        TRANSPORT_ENDED,
        _TRANSPORT_MESSAGE_MAX,
} TransportMessageType;

typedef enum TransportEnd {
        TRANSPORT_EXITED = 1, /* with this status */
        TRANSPORT_KILLED,     /* by this signal */
        TRANSPORT_NOT_RUN,    /* for this errno */
        _TRANSPORT_END_MAX,
} TransportEnd;

typedef struct TransportMessage {
        TransportMessageType type;
        TransportEnd how; /* of ended */
        uint32_t number;
        char text[TRANSPORT_TEXT_MAX + 1];
} TransportMessage;

/* The length of the message. */
size_t transport_message_encode(const TransportMessage *message,
                                uint8_t buf[TRANSPORT_MESSAGE_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. */
int transport_message_decode(const uint8_t *buf, size_t size, TransportMessage *ret) _must_check_;

/* Sets the text, as far as it fits, and as it can be shown. */
void transport_message_set_text(TransportMessage *message, const char *text);

/* Whether a line is news of the relay's, and not for people. */
static inline bool transport_line_is_news(const char *line) {
        return line[0] == '{';
}
