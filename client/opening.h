#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opening: one Open call, from the question to the grant
 *
 * Between the two lies what policy wants of a person. Where polkit has nobody through whom to ask,
 * an agent is started for this process and the question put again (client/agent.h). A conversation
 * is a reply of the same call, and the next reply is waited for when it is over. What of it fails
 * on our side (somebody says no, there is no terminal) ends the call, so that the broker gives up,
 * too; and is the error. All of it has one deadline.
 */

#include "client/auth.h"
#include "client/uri.h"
#include "client/wire.h"

typedef struct OpeningSpec {
        const Uri *uri; /* with its access */
        bool detached;
        bool hold;                 /* a lease, and nothing opened under it yet */
        const doorward_auth *auth; /* NULL: nobody is asked anything, not by polkit either */
        int64_t deadline;          /* channel_deadline()'s */
} OpeningSpec;

/* What an Open answers. Borrowed from the reply. */
typedef struct OpeningReply {
        const char *state;
        int access;
        int mode;
        const char *lease;
        bool kept;
        int64_t expires;
        const char *action;
        int how;
        const char *connect_as;
        bool logout;
        int means;
        bool pam;
        const char *reason;
        const char *request_id;
} OpeningReply;

/* Reads a reply to an Open. -EBADMSG. */
int opening_reply_read(const WireReply *reply, OpeningReply *ret) _must_check_;

/* Asks, and does what is to be done until there is a grant. 0: *ret is the reply that says so,
 * *ret_read what stands in it, and *ret_wire the wire that it came over; whether it is to be
 * believed the caller sees. -errno and the error. */
int opening_run(const OpeningSpec *spec, Wire **ret_wire, WireReply *ret, OpeningReply *ret_read,
                doorward_error *error) _must_check_;
