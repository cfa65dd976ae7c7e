#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Question: what polkit is asked about one peer, one endpoint and one access
 *
 * An endpoint with an action of its own is judged by that; any other by the generic one. The action
 * is shared where more than one endpoint hangs on it: the generic ones, and those of templates. A
 * shared action must not be authorised by something that polkit keeps for a while, since polkit
 * keeps it by action and not by details: a password given for one would open the others.
 *
 * The details are frozen, since rules depend on them: docs say what each is.
 */

#include "broker/refusal.h"
#include "common/peer.h"
#include "policy/action.h"
#include "policy/authority.h"
#include "policy/definition.h"

enum {
        _QUESTION_E_SUCCESS,
        QUESTION_E_UNKNOWN_ACTIONS, /* load the authority's actions and try again */
        QUESTION_E_REFUSED,         /* it cannot be asked; the refusal says why */
};

typedef struct Question {
        char action[ACTION_TEXT_SIZE];
        bool shared;  /* other endpoints are judged by this action too */
        bool generic; /* it is the one for endpoints that have none */
        AuthorityAction info;
        char *message;
        char endpoint[NAME_ENDPOINT_MAX + 1];
        char instance[NAME_INSTANCE_MAX + 1];
        char connect_as[64];
        Access access;
        Kind kind;
        bool proven; /* it is about somebody whom PAM proved the caller to be, and not the peer: */
        uid_t identity;
        const char *user; /* borrowed */
} Question;

/* Which action, and what is known of it; of a question that is zero, or was one before. 0, -ENOMEM,
 * or QUESTION_E_*; *ret_refusal is written with QUESTION_E_REFUSED. */
int question_init(Question *question, Authority *authority, const Definition *definition,
                  const Name *name, Access access, Refusal *ret_refusal) _must_check_;

void question_deinit(Question *question);

/* The peer's process is judged as this user, as after su(1) in the same session. The name is
 * borrowed. */
void question_set_identity(Question *question, uid_t uid, const char *name);

/* The question about this peer. It borrows from both. */
void question_ask(const Question *question, const Peer *peer, uint64_t start_time, bool interactive,
                  AuthorityQuestion *ret);

/* What the answer means for this question: true if it grants; else *ret_refusal says what it is.
 * interactive says whether somebody could be asked. */
bool question_judge(const Question *question, const AuthorityAnswer *answer, bool interactive,
                    Refusal *ret_refusal);

/* The decision to show to whoever asks what they would get. */
Decision question_decision(const Question *question, const AuthorityAnswer *answer);
