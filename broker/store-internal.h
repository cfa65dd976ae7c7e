#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Store, internal: what keeping and taking share
 */

#include "broker/deadline.h"
#include "broker/store.h"

#define STORE_STATE_NAME "state"
#define STORE_CONTROL 'c'
#define STORE_DUPLICATE 'd'
#define STORE_DIGITS 7

struct StoreLease {
        StoreLease *next, *previous; /* Store::leases */
        StateEntry *entry;
        bool written; /* it is in the state, as it was at some time */
};

/* The name of a descriptor. */
typedef struct StoreName {
        char kind;
        uint32_t number;
} StoreName;

struct Store {
        StoreNotify notify;
        void *userdata;
        DeadlineClock clock; /* its own: most leases are over before it goes off */
        Deadline deadline;   /* then it is sent */
        unsigned max_leases, max_blocks;

        State state;
        bool state_sent;  /* PID 1 has one: this one, */
        bool state_stale; /* or one that goes before it gets another */

        StoreLease *leases;
        unsigned n_leases;
        unsigned n_fds;  /* of all leases */
        unsigned n_sent; /* of these */
        StateBlock *blocks;
        unsigned n_blocks;

        StoreName *removed; /* what PID 1 has and is to give up; there is room for all the rest */
        unsigned n_removed, n_allocated;

        unsigned budget; /* messages that may be sent now */
        uint32_t number; /* the last that a descriptor got */
        unsigned n_new;  /* leases that are not written */
        bool changed;    /* apart from these, PID 1 and the state are not as they should be */
};

/* After any change: it is sent in a while. */
void store_touch(Store *store);

/* Makes room for all that may have to be taken out, with this many descriptors more. -ENOMEM. */
int store_reserve(Store *store, unsigned n) _must_check_;

/* PID 1 has one of this name, and is to give it up. There is room. */
void store_forget(Store *store, StoreName name);

bool store_has_room(const Store *store, unsigned n_leases, unsigned n_fds);
void store_link(Store *store, StoreLease *kept);

/* The name of the i-th descriptor of a lease. */
StoreName store_entry_name(const StateEntry *entry, unsigned i);
bool store_is_empty(const Store *store);
