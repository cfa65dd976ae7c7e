#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease: how a grant goes on, and how it ends
 *
 * A lease lives exactly as long as the call by which it was asked for, and its end is the last
 * reply of that call. So whoever wants to know looks at the call's wire; nothing here waits. What
 * was heard is kept, and the wire is then hung up on, so that it stays readable: whoever polls it
 * learns of an end that somebody else has heard of.
 *
 * Of another machine's lease it is the far side that says so, or that what leads there has ended
 * (client/remote-link.h). All else is the same.
 *
 * Threads may do all of this at once. Who is to be told of the end (the program's callback) is told
 * by the caller, without the lock, since the callback may do anything, and replace itself.
 */

#include <pthread.h>

#include "client/remote-link.h"
#include "client/wire.h"
#include "common/terms.h"

/* A callback of the program's. It is counted, since it may be replaced while it runs. */
typedef struct LeaseListener {
        unsigned n_ref; /* under the lock of its lease */
        bool told;      /* once is enough */
        doorward_close_cb cb;
        void *userdata;
        doorward_free_func free_func; /* or NULL */
} LeaseListener;

typedef struct Lease {
        char *id;             /* NULL if nothing is leased */
        pthread_mutex_t lock; /* of all that follows */
        Wire *wire;           /* of the call; fixed, NULL if nothing is leased, or */
        RemoteLink *remote;   /* it is another machine's: fixed, NULL likewise */
        int end;              /* a doorward_close_reason, 0 as long as it lives */
        int event_fd;         /* the program's copy of the wire, -EBADF before it is wanted */
        LeaseListener *listener;
} Lease;

#define LEASE_NULL \
        { .lock = PTHREAD_MUTEX_INITIALIZER, .event_fd = -EBADF }

/* Ends it. In a child process, where it is but a copy, that changes nothing for the parent, and the
 * program's own data are left alone. */
void lease_deinit(Lease *lease, bool is_copy);

/* Makes it that of another machine. The link is taken, and then as empty. -ENOMEM. */
int lease_take_remote(Lease *lease, RemoteLink *link) _must_check_;

/* What to poll for input; -EBADF if nothing is leased. */
int lease_get_fd(const Lease *lease);

/* Looks whether it has ended: 0 if not, 1 if so, or if that was known; -errno and the error, once,
 * if it has because the broker is gone or talks nonsense. */
int lease_process(Lease *lease, doorward_error *error) _must_check_;

/* Whether there is anything that can still be heard of it, or told. */
bool lease_is_to_be_processed(Lease *lease);

/* A doorward_close_reason, as far as somebody has looked. */
int lease_get_end(Lease *lease);

/* Sets the error that the lease on that endpoint has ended; returns -ECONNABORTED. */
int lease_fail_ended(Lease *lease, const char *endpoint, doorward_error *error);

/* A descriptor that is readable once there is something to process, and stays so after the end.
 * The lease's own; unlike the wire's it stays open to the last. */
int lease_get_event_fd(Lease *lease, const char *endpoint, doorward_error *error) _must_check_;

/* Replaces the listener; cb NULL: by none. -ENOMEM, and nothing has changed. */
int lease_set_listener(Lease *lease, doorward_close_cb cb, void *userdata,
                       doorward_free_func free_func) _must_check_;

/* The listener, with a reference, if it is to be told now: once, after the end. */
LeaseListener *lease_take_listener(Lease *lease);
void lease_release_listener(Lease *lease, LeaseListener *listener);
