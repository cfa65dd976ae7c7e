#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Conversation: PAM asks, the callback answers
 *
 * The descriptor came from the broker, and is believed only as far as the kernel speaks for it: who
 * made the pair of sockets (SO_PEERCRED) and who sent each prompt (SCM_CREDENTIALS) must be root,
 * so that whatever is written on it reaches root and nobody else. A broker that was taken over can
 * pass on a socket of its own, and gets no answer.
 *
 * It never waits, but for a callback that does. A question that the callback leaves open is one
 * until there is an answer, or the other end hangs up.
 */

#include "client/auth.h"
#include "client/wait.h"

typedef struct Conversation Conversation;

/* Whose prompts are answered. */
typedef enum ConversationTrust {
        CONVERSATION_OF_ROOT = 1,
        /* Ours: of an agent that this process started, over a socket that this process made. */
        CONVERSATION_OF_OURSELVES,
} ConversationTrust;

enum {
        _CONVERSATION_E_OVER,
        CONVERSATION_E_WAIT, /* for what conversation_wait() says */
};

/* Takes the descriptor in any case. origin as for auth_ask_prompt(); auth and origin are borrowed
 * until conversation_free(). deadline is channel_deadline()'s.
 *
 * -errno and the error: -EPERM (PROTOCOL) if it is not to be trusted. In a user namespace that does
 * not map root nobody can be told from root: -ENOSYS (AUTH_UNAVAILABLE). */
int conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                const char *origin, int64_t deadline, Conversation **ret,
                                doorward_error *error) _must_check_;

void conversation_wait(const Conversation *conversation, Wait *wait);

/* Does what can be done. CONVERSATION_E_WAIT; 0: it went to its end, and whoever began it says what
 * came of it; -errno and the error: it is over, those of auth_ask_prompt() and -EPERM, -EBADMSG
 * (PROTOCOL) or -ETIMEDOUT (TIMEOUT). */
int conversation_process(Conversation *conversation, doorward_error *error) _must_check_;

/* Whether a question was left open, */
bool conversation_is_asking(const Conversation *conversation);

/* and the answer to it, NULL to cancel. 0, or -EINVAL and the error, as auth_take_answer(): then
 * the question is still open. */
int conversation_answer(Conversation *conversation, const doorward_credential *cred,
                        doorward_error *error) _must_check_;

/* Hangs up, and erases what was not sent. Takes NULL, returns NULL. */
Conversation *conversation_free(Conversation *conversation);

DEFINE_CLEANUP(Conversation *, conversation_free);
