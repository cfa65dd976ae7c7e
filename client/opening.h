#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opening: one Open call, from the question to the grant
 *
 * Between the two lies what policy wants of a person. Where polkit has nobody through whom to ask,
 * an agent is started for this process and the question put again (client/agent.h). A conversation
 * is a reply of the same call, and when it is over the next reply is waited for. What of it fails
 * on our side (somebody says no, there is no terminal) ends the call, so that the broker gives up,
 * too; and is the error. All of it has one deadline.
 *
 * It is a machine that never waits, but for a callback that does (client/wait.h).
 *
 *   PREPARE   nothing has been done yet
 *   AGENT     our agent starts: before the call, or since the broker said that one is needed
 *   CONNECT   to the broker, which may have no room at the moment
 *   CALL      the broker is to answer, and our agent or a conversation may have to be served
 *   LEAVE     our agent ends: what came of the call is known, or that it must go without
 *   OVER
 */

#include "client/auth.h"
#include "client/grant-terms.h"
#include "client/uri.h"
#include "client/wait.h"
#include "client/wire.h"

typedef struct Opening Opening;

/* Borrowed until opening_free(). */
typedef struct OpeningSpec {
        const Uri *uri; /* with its access */
        bool detached;
        bool hold;                 /* a lease, and nothing opened under it yet */
        const doorward_auth *auth; /* NULL: nobody is asked anything, not by polkit either */
        int64_t deadline;          /* channel_deadline()'s */
} OpeningSpec;

/* What each Open asks for, whatever else it says. NULL: no memory. */
json_t *opening_parameters(const Uri *uri) _must_check_;

/* What an Open answers. Borrowed from the reply. */
typedef struct OpeningReply {
        const char *state;
        const char *reason;
        GrantTerms terms; /* with a request_id */
} OpeningReply;

/* Reads a reply to an Open. -EBADMSG. */
int opening_reply_read(const WireReply *reply, OpeningReply *ret) _must_check_;

/* What came of it. */
typedef struct OpeningGrant {
        Wire *wire; /* over which it came */
        WireReply reply;
        OpeningReply
                read; /* what stands in the reply; whether it is to be believed the owner sees */
} OpeningGrant;

#define OPENING_GRANT_NULL \
        { .reply = WIRE_REPLY_NULL }

void opening_grant_deinit(OpeningGrant *grant);

enum {
        _OPENING_E_GRANTED,
        OPENING_E_WAIT, /* for what opening_wait() says */
};

/* Does nothing yet. -ENOMEM and the error. */
int opening_new(const OpeningSpec *spec, Opening **ret, doorward_error *error) _must_check_;

/* What it was made of. */
const OpeningSpec *opening_get_spec(const Opening *opening);

void opening_wait(const Opening *opening, Wait *wait);

/* Does what can be done now, until there is a grant. OPENING_E_WAIT; 0, and *ret is the grant; or
 * -errno and the error. After the last two it is over, and only to be freed. */
int opening_process(Opening *opening, OpeningGrant *ret, doorward_error *error) _must_check_;

/* Whether a question was left open; and the answer to it, as conversation_answer(). */
bool opening_is_asking(const Opening *opening);
int opening_answer(Opening *opening, const doorward_credential *cred,
                   doorward_error *error) _must_check_;

/* Gives up whatever is under way, without waiting for an agent's end. In a child process, where it
 * is but a copy, that changes nothing for the parent. Takes NULL, returns NULL. */
Opening *opening_free(Opening *opening, bool is_copy);
