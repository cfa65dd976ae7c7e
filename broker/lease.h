#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease: the life of a grant, from hand-over to its end
 *
 * A lease belongs to the session on which it was opened, and there is one way to end it, whatever
 * the reason: lease_end(). For a revocable lease the broker holds a duplicate of the connection; to
 * shut that down in both directions is to cut the client off, and the backend sees it hang up. A
 * tracked lease holds nothing: its end is recorded and told, and that is all the kernel allows.
 *
 * The duplicate is watched for nothing but HUP, which the kernel reports unasked. On a unix socket
 * it comes exactly when the backend has closed, or both directions are shut. To ask for readability
 * would wake the broker for every byte; to set any flag on it would set it for the client too.
 */

#include <systemd/sd-event.h>

#include "broker/record.h"
#include "broker/user.h"
#include "common/name.h"
#include "policy/definition.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Session Session;

struct Lease {
        Broker *broker;
        Lease *next, *previous; /* Broker::leases */
        Session *session;
        char id[RECORD_LEASE_SIZE];
        char request[RECORD_REQUEST_SIZE]; /* by which it was opened */
        Name name;
        Access access;
        LeaseMode mode;
        char definition[DEFINITION_HASH_SIZE]; /* as it was then */
        uid_t uid;
        uid_t identity; /* as whom the process was judged */
        pid_t pid;
        uint64_t expires; /* µs of CLOCK_REALTIME; 0: does not */
        int fd;           /* the duplicate of a revocable lease */
        UserCharge charge;
        sd_event_source *backend; /* the duplicate hangs up */
        sd_event_source *expiry;
};

/* Makes the lease of a grant that is about to be handed over, with an id. It takes the charge. fd
 * is the connection: for a revocable lease a duplicate of it is kept; it is borrowed. Until it
 * begins it belongs to whoever made it, and nothing ends it. -errno. */
int lease_new(Session *session, const Definition *definition, const Name *name, Access access,
              uid_t identity, UserCharge *charge, int fd, Lease **ret) _must_check_;

/* What ends a lease by itself counts from now on: right before it is handed over. -errno. */
int lease_begin(Lease *lease) _must_check_;

/* Whether the session has it: before that it belongs to whoever makes it. */
bool lease_is_handed_over(const Lease *lease);

/* Whether the definition is still the one by which it was granted. */
bool lease_is_current(const Lease *lease);

/* Gives up one that was never handed over: no record, no word to anybody. Returns NULL. */
Lease *lease_free(Lease *lease);

/* Ends one that was handed over: cuts what can be cut, records the end, tells the client. Returns
 * NULL. */
Lease *lease_end(Lease *lease, EndReason reason);

DEFINE_CLEANUP(Lease *, lease_free);
