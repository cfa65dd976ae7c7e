#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * User: what one uid has of the broker
 *
 * Everything that a client can make the broker hold is charged to its uid, and a charge is an
 * object that gives back what it took when it goes: no path can forget it. That every count is back
 * at zero when the last object of a user goes is asserted.
 *
 * Requests are limited by a token bucket. Its state outlives the user's last connection, else
 * reconnecting would refill it: a user is kept until the bucket is full again. The same goes for
 * authentications that failed: after a number of them nobody of that user is asked for a while.
 */

#include <sys/types.h>

#include "common/macros.h"

enum {
        _USER_E_SUCCESS,
        USER_E_QUOTA,
};

typedef enum UserSlot {
        USER_CONNECTIONS, /* without a live lease */
        USER_LEASES,
        USER_DESCRIPTORS,     /* that the broker holds: connections, processes, duplicates */
        USER_FILTERS,         /* processes that stand between a client and a service */
        USER_KEPT,            /* leases that outlive the broker */
        USER_UNDELIVERED,     /* a reply with a descriptor that the client has not read */
        USER_PROMPTS,         /* somebody is asked for a password, by polkit or by PAM */
        USER_ASKED_BY_POLKIT, /* a check that may prompt is with polkit */
        USER_AGENT_CALLS,     /* an agent of theirs has a conversation for polkit */
        USER_ACCOUNTS,        /* PAM is asked about their account */
        _USER_SLOT_MAX,
} UserSlot;

typedef struct UserTable UserTable;
typedef struct User User;

typedef struct UserCharge {
        User *user;
        UserSlot slot;
} UserCharge;

struct User {
        UserTable *table;
        User *next; /* UserTable::buckets */
        uid_t uid;
        unsigned n_ref;
        unsigned used[_USER_SLOT_MAX];
        uint64_t tokens;           /* in millionths of a request */
        uint64_t filled;           /* when they were counted; monotonic, µs */
        uint64_t limit_recorded;   /* when a refusal by a limit was last recorded */
        unsigned limit_suppressed; /* such refusals since */
        unsigned failures;         /* authentications that did not succeed, */
        uint64_t failed;           /* the last of them at this time: they fade */
        uint64_t penalty_end;      /* until then nobody of theirs is asked */
};

#define USER_BUCKETS 64U

struct UserTable {
        User *buckets[USER_BUCKETS];
        unsigned used[_USER_SLOT_MAX]; /* by all together */
        unsigned rate;                 /* requests a second */
        unsigned burst;                /* requests at once */
};

void user_table_init(UserTable *table, unsigned rate, unsigned burst);
void user_table_deinit(UserTable *table);

/* The user of a uid, with a reference for the caller. now is monotonic, in µs. -ENOMEM. */
int user_table_ref_user(UserTable *table, uid_t uid, uint64_t now, User **ret) _must_check_;
User *user_unref(User *user);

/* Charges one of a slot: 0, or USER_E_QUOTA if the user has max already. The charge holds a
 * reference. */
int user_charge(User *user, UserSlot slot, unsigned max, UserCharge *charge) _must_check_;
void user_charge_deinit(UserCharge *charge);

/* Moves a charge to whoever it belongs to from now on. */
static inline UserCharge user_charge_take(UserCharge *charge) {
        UserCharge taken = *charge;

        charge->user = NULL;
        return taken;
}

/* Takes a token: 0, or USER_E_QUOTA and how many milliseconds until there is one. */
int user_take_token(User *user, uint64_t now, uint64_t *ret_wait_ms) _must_check_;

/* The same for what costs as much as several: all of them, or none. */
int user_take_tokens(User *user, unsigned n, uint64_t now, uint64_t *ret_wait_ms) _must_check_;

/* How many there are. */
unsigned user_count_tokens(User *user, uint64_t now);

/* Whether a refusal by a limit is to be recorded: the first, then one a second. What was left out
 * since the last one goes to *ret_suppressed. */
bool user_limit_is_recorded(User *user, uint64_t now, unsigned *ret_suppressed);

/* An authentication of the user's did not succeed. At the max-th nobody is asked for usec; failures
 * are forgotten when there was none for ten minutes. A success forgets none: whoever guesses
 * another's password could have one of their own between any two. */
void user_add_failure(User *user, uint64_t now, unsigned max, uint64_t usec);

/* How many ms it is until somebody may be asked again; 0: now. */
uint64_t user_penalty_ms(const User *user, uint64_t now);

/* Whether anything is known of a user who has nothing here that would be forgotten with the table.
 */
bool user_table_remembers(const UserTable *table, uint64_t now);

DEFINE_CLEANUP(User *, user_unref);
