#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Conversation: PAM asks, the callback answers
 *
 * The descriptor came from the broker, and is believed only as far as the kernel speaks for it: who
 * made the pair of sockets (SO_PEERCRED) and who sent each prompt (SCM_CREDENTIALS) must be root,
 * so that whatever is written on it reaches root and nobody else. A broker that was taken over can
 * pass on a socket of its own, and gets no answer.
 */

#include "client/auth.h"

/* Whose prompts are answered. */
typedef enum ConversationTrust {
        CONVERSATION_OF_ROOT = 1,
        /* Ours: of an agent that this process started, over a socket that this process made. */
        CONVERSATION_OF_OURSELVES,
} ConversationTrust;

/* Holds it to its end: until the other end has hung up, or the callback refuses. Takes the
 * descriptor. origin as for auth_ask_prompt(). deadline is channel_deadline()'s.
 *
 * 0: it went to its end, and whoever began it says what came of it. -errno and the error otherwise:
 * those of auth_ask_prompt(); -EPERM (PROTOCOL) if it is not to be trusted; -ETIMEDOUT (TIMEOUT).
 * In a user namespace that does not map root nobody can be told from root: -ENOSYS
 * (AUTH_UNAVAILABLE). */
int conversation_hold_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                 const char *origin, int64_t deadline,
                                 doorward_error *error) _must_check_;
