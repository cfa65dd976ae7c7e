#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reception: a private socket, and the endpoint for whoever connects there
 *
 * Each who connects must be of our own user, gets a descriptor of its own under the one lease
 * (cli/holder.h), and is joined to it (cli/joint.h). One at a time: while somebody's descriptor is
 * being opened, or a password is asked for, others wait in the socket's queue.
 *
 * After a refusal whoever connects is hung up on, and policy is left alone, for ten seconds; and it
 * is said no more often than once a minute what was refused and why. When the lease has ended, the
 * next who connects has it asked for again.
 */

#include "cli/holder.h"
#include "cli/loop.h"

typedef struct Reception Reception;

typedef struct ReceptionSpec {
        const Options *options;
        const Argument *argument;
        Loop *loop;
        const doorward_auth *auth; /* how people are asked when a lease is wanted */
        bool ends_when_kept_out;   /* if the lease was revoked, and the next is denied */
} ReceptionSpec;

/* listener is a listening stream socket, conn the lease if there is one already; both are taken.
 * Everything else is borrowed. SIGPIPE must be ignored. -errno. */
int reception_new_consume(const ReceptionSpec *spec, int listener, doorward_conn *conn,
                          Reception **ret) _must_check_;

/* Hangs up on everybody. Takes NULL, returns NULL. */
Reception *reception_free(Reception *reception);

/* After each turn of the loop: does what is to be done. -1, or the exit status with which it is
 * over, and it was said why. */
int reception_process(Reception *reception) _must_check_;

/* When to call that although nothing was heard (channel_deadline()'s). */
int64_t reception_get_deadline(const Reception *reception);

/* Whether there is neither a lease nor anybody connected. */
bool reception_is_idle(const Reception *reception);

/* Whether nothing is on its way any more from who has hung up: so that what a program has written
 * arrives, also if it was its last deed. */
bool reception_is_settled(const Reception *reception);
