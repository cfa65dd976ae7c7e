#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Another: one more descriptor under a lease
 *
 * The broker does not ask policy again for what a live lease covers, so this is to be as fast as it
 * can be: the wire for it is made with the first one and kept. A broker hangs up on a wire on which
 * nobody calls, and a new one may have been started; that shows with the next call, which is then
 * made again, once, on a new wire.
 */

#include <pthread.h>

#include "client/wire.h"

typedef struct Another {
        pthread_mutex_t lock; /* one call at a time */
        Wire *wire;           /* NULL if there is none at present */
} Another;

#define ANOTHER_NULL \
        { .lock = PTHREAD_MUTEX_INITIALIZER }

/* As lease_deinit(). */
void another_deinit(Another *another, bool is_copy);

/* Opens one more under the lease of a connection that has one. A descriptor that is the caller's;
 * or -errno and the error. */
int another_open(doorward_conn *conn, doorward_error *error) _must_check_;

/* For who cannot wait, and makes that call on a wire of his own: what it says; and why the reply is
 * not to be believed, or NULL. It must be what the connection's first one was. */
json_t *another_parameters(const doorward_conn *conn);
const char *another_problem(const doorward_conn *conn, const WireReply *reply);
