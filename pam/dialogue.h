#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dialogue: PAM's questions, and the client's answers
 *
 * The helper makes the pair of sockets, so that nobody but it and the client reads what a person
 * types: the broker passes the client's end on, and with a copy of it could read questions, and
 * write answers, which are not taken. An answer comes from the client's process, or where an agent
 * asked on its behalf from a process of the client's user.
 *
 * Once it is over, it is over: whoever cancels, hangs up, or sends what no client sends, is asked
 * nothing more, and nothing is proven, whatever PAM makes of it. What was typed is erased wherever
 * it was; what PAM was given is PAM's to erase.
 */

#include <security/pam_appl.h>
#include <sys/types.h>

#include "common/conversation-protocol.h"
#include "common/macros.h"
#include "common/peer.h"

typedef struct Dialogue {
        int fd;
        uid_t uid;         /* the client's, */
        pid_t pid;         /* and its process; 0 if any of the user's will do */
        uint64_t deadline; /* of CLOCK_MONOTONIC, in microseconds */
        uint32_t number;   /* of the last question */
        bool answered;     /* PAM was given an answer */
        const char *over;  /* why there are no more questions; NULL while there may be */
} Dialogue;

#define DIALOGUE_NULL \
        { .fd = -EBADF, .uid = PEER_UID_INVALID }

/* Makes the sockets: the client's end is the caller's, to be passed on and closed. Without, there
 * is nobody to be asked: texts are dropped, and a question is an error. */
int dialogue_begin(Dialogue *dialogue, uint64_t patience_usec, int *ret_fd) _must_check_;
void dialogue_deinit(Dialogue *dialogue);

/* Shows a text of ours. */
void dialogue_tell(Dialogue *dialogue, const char *text);

/* Asks whom to authenticate as. -ECANCELED once it is over. */
int dialogue_ask_name(Dialogue *dialogue, char buf[CONVERSATION_ANSWER_MAX + 1]) _must_check_;

/* What PAM calls, with the dialogue as its data: see pam_conv(3). */
int dialogue_converse(int n, const struct pam_message **messages, struct pam_response **ret,
                      void *dialogue);

/* What PAM calls in place of waiting by itself after a failure: see pam_fail_delay(3). Who has
 * answered nothing has tried nothing, and need not wait. */
void dialogue_delay(int result, unsigned usec, void *dialogue);
