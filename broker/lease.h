#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease: the life of a grant, from hand-over to its end
 *
 * A lease belongs to the session on which it was opened, and there is one way to end it, whatever
 * the reason: lease_end(). More descriptors can be opened under it, by the same process; all of
 * them end together. For each one of a revocable lease the broker holds a duplicate: to shut a
 * socket down in both directions is to cut the client off, and the backend sees it hang up; an
 * input device is revoked by an ioctl(2). Where there is a filter, its connection is held instead:
 * to shut that down ends the filter, and so both of its sides; and where the client closes its end,
 * or the service does, the filter ends and that connection hangs up. A tracked lease holds nothing:
 * its end is recorded and told, and that is all the kernel allows.
 *
 * A duplicate is watched for nothing but HUP, which the kernel reports unasked. On a unix socket it
 * comes exactly when the backend has closed, or both directions are shut. To ask for readability
 * would wake the broker for every byte; to set any flag on it would set it for the client too.
 */

#include <systemd/sd-event.h>

#include "broker/record.h"
#include "broker/user.h"
#include "common/name.h"
#include "policy/definition.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct LeaseFd LeaseFd;
typedef struct Session Session;
typedef struct StateLease StateLease;
typedef struct StoreLease StoreLease;

/* With what end of somebody's presence it ends, by RevokeOnLogout=. */
typedef enum LeaseLogout {
        LOGOUT_NEVER,
        LOGOUT_OF_SESSION, /* its holder's login session */
        LOGOUT_OF_USER,    /* the last session of a user whose service manager started its holder */
} LeaseLogout;

/* What is to be granted; everything is borrowed for the time of the call. */
typedef struct LeaseTerms {
        const Definition *definition;
        const Name *name;
        Access access;
        uid_t identity;        /* as whom the process was judged */
        const char *user_name; /* of that identity, if PAM proved it; else NULL */
        const char *action;    /* polkit's */
        How how;
        bool by_password;    /* the yes rests on a password that was typed, now or a while ago */
        bool hold;           /* it is not over when the backend has hung up on all of it */
        uint64_t until;      /* it ends then, in µs of CLOCK_REALTIME; 0: not by that */
        uint64_t generation; /* of policy, when it was asked */
} LeaseTerms;

/* What the broker is to hold of one descriptor of a revocable lease; zero is nothing. */
typedef struct LeaseHolding {
        UserCharge descriptor;
        UserCharge filter; /* where there is one */
} LeaseHolding;

struct Lease {
        Broker *broker;
        Lease *next, *previous; /* Broker::leases */
        Lease *next_of_bucket;  /* Broker::lease_buckets */
        Session *session;
        char id[RECORD_LEASE_SIZE];
        char request[RECORD_REQUEST_SIZE]; /* by which it was opened */
        Name name;
        Access access;
        LeaseMode mode;
        Kind kind;
        char definition[DEFINITION_HASH_SIZE]; /* as it was then */
        uid_t uid;
        uid_t identity;
        char *user_name;
        char *action;
        How how;
        bool by_password;
        bool hold;
        bool filtered;
        uint64_t since;   /* µs of CLOCK_REALTIME */
        uint64_t expires; /* the same; 0: does not */
        uint64_t ends_at; /* the same moment in µs of CLOCK_BOOTTIME */
        unsigned opened;  /* descriptors that were opened under it, */
        unsigned n_fds;   /* and those that are not known to be over */
        LeaseFd *fds;     /* the duplicates of a revocable lease */
        UserCharge charge;
        sd_event_source *expiry;
        uint64_t generation; /* of policy, by which it was last found to be right */
        bool until_logout;   /* RevokeOnLogout=; whether it applies says */
        LeaseLogout logout;
        uid_t logout_uid; /* of LOGOUT_OF_USER */
        StoreLease *kept; /* it outlives the broker; NULL: does not */
        UserCharge kept_charge;
};

/* Makes the lease of a grant that is about to be handed over, with an id and no descriptor yet. It
 * takes the charge. Until it begins it belongs to whoever made it, and nothing ends it. -errno. */
int lease_new(Session *session, const LeaseTerms *terms, UserCharge *charge,
              Lease **ret) _must_check_;

/* One of the broker before goes on: the session has it at once. Takes the duplicates; on failure
 * none of them. -errno. */
int lease_restore(Session *session, const StateLease *from, int *fds, unsigned n_fds,
                  StoreLease *kept, Lease **ret) _must_check_;

/* Lets go of one that the next broker goes on with: nothing is cut, recorded or told. */
Lease *lease_leave(Lease *lease);

/* The duplicates, of which there are n_fds; borrowed. */
void lease_get_fds(const Lease *lease, int *ret);

/* One more descriptor is opened under it: fd is borrowed, and of a revocable lease a duplicate of
 * it is kept, for which it takes the charges. -errno. */
int lease_add_fd(Lease *lease, int fd, LeaseHolding *holding) _must_check_;

/* The same for one that is filtered: what is kept is the filter's connection. */
int lease_add_link_consume_fd(Lease *lease, int link_fd, LeaseHolding *holding) _must_check_;

void lease_holding_deinit(LeaseHolding *holding);

/* What ends a lease by itself counts from now on: right before it is handed over. -errno. */
int lease_begin(Lease *lease) _must_check_;

/* Whether the session has it: before that it belongs to whoever makes it. */
bool lease_is_handed_over(const Lease *lease);

/* Whether the definition is still the one by which it was granted. */
bool lease_is_current(const Lease *lease);

/* Whom the backend sees, as of ConnectAs=; NULL if the definition is another by now. */
const char *lease_connect_as(const Lease *lease);

/* Whether what was handed over goes on after its end. */
bool lease_is_irrevocable(const Lease *lease);

/* Whether its user, by either name, is kept out of it by now. */
bool lease_is_blocked(const Lease *lease);

/* Whether it is this user's: of a process of theirs, or in their name. */
bool lease_is_of(const Lease *lease, uid_t uid);

/* Gives up one that was never handed over: no record, no word to anybody. Returns NULL. */
Lease *lease_free(Lease *lease);

/* Ends one that was handed over: cuts what can be cut, records the end, tells the client. Returns
 * NULL. */
Lease *lease_end(Lease *lease, EndReason reason);

/* The same with END_REVOKED, and by whom. */
Lease *lease_revoke(Lease *lease, uid_t by);

DEFINE_CLEANUP(Lease *, lease_free);
