#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease: a live lease, as the broker tells it
 *
 * The interface's type Lease, read with its types checked, and all of them that there are: `leases`
 * shows them, and `revoke` finds in them which one is meant.
 */

#include "client/wire.h"
#include "common/terms.h"

#define LEASE_ACTION "org.doorward.manage-leases"

typedef struct Lease {
        const char *id; /* texts are borrowed */
        const char *command;
        const char *unit;    /* NULL if it is of none */
        const char *session; /* likewise */
        const char *endpoint;
        const char *connect_as; /* NULL if it is not told */
        int64_t uid;
        int64_t pid;
        int64_t since;
        int64_t expires; /* 0: no end is set */
        int64_t descriptors;
        int access; /* an Access */
        int mode;   /* a LeaseMode */
        bool kept;
} Lease;

/* -EBADMSG. */
int lease_read(const json_t *object, Lease *ret) _must_check_;

/* Those of the caller, or everybody's, as an array of the interface's Lease, each of which can be
 * read, the oldest first. The reference is the caller's. */
int lease_list(Wire *wire, bool all, json_t **ret, doorward_error *error) _must_check_;

/* The library has its sentences about opening. What is refused of leases gets its own; the hint and
 * all else stays the broker's. */
void lease_explain_error(doorward_error *error);
