#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holder: a lease on an endpoint, for connections that come and go
 *
 * It is asked for when the first descriptor is wanted, and each is then opened under it, without
 * policy being asked again. When it has ended, the next one that is wanted asks anew.
 *
 * It is a machine that never waits (client/wait.h), but for a prompt on the terminal. One
 * descriptor is opened at a time: who wants more has the others wait outside.
 */

#include "cli/argument.h"
#include "cli/options.h"
#include "client/conn.h"
#include "client/open.h"

typedef struct Holder {
        const Argument *argument;
        const doorward_auth *auth; /* how people are asked, when it is asked for here */
        doorward_conn *conn;       /* the lease; NULL: there is none */
        int end;                   /* how the last one ended, 0 once that was taken */

        bool wanted; /* a descriptor */
        bool asking; /* for the lease: */
        doorward_opening opening;
        bool calling;   /* for the descriptor, on the wire */
        Wire *wire;     /* kept from one call to the next */
        bool connected; /* it leads to the broker */
        bool again;     /* the call was made once more already */
        int64_t retry_at, connect_until;

        int event_fd;
} Holder;

enum {
        _HOLDER_E_SUCCESS,
        HOLDER_E_WAIT, /* for the event descriptor, or holder_get_deadline() */
};

/* conn is taken: a lease that there is already, or NULL. The holder is not to be moved. -errno. */
int holder_init_consume_conn(Holder *holder, const Argument *argument, const doorward_auth *auth,
                             doorward_conn *conn) _must_check_;
void holder_deinit(Holder *holder);

/* That holder_process() is to come by a descriptor. */
void holder_want(Holder *holder);

/* Does what can be done now. 0: what was wanted is there, a socket, the caller's; HOLDER_E_WAIT; or
 * -errno and the error: it is not wanted any more. To be called, too, when nothing is wanted: it
 * notices the end of the lease. */
int holder_process(Holder *holder, int *ret_fd, doorward_error *error) _must_check_;

/* A doorward_close_reason, once, if the lease has ended since this was asked; else 0. */
int holder_take_end(Holder *holder);

/* Readable when there may be something to do; to be armed after each step. -errno. */
int holder_arm(Holder *holder) _must_check_;
int64_t holder_get_deadline(const Holder *holder);
