#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keep: leases that outlive the broker
 *
 * systemd keeps the descriptors of so many revocable leases, and what has to be known of them
 * (broker/store.h), while one broker ends and the next one begins. Data goes on meanwhile: nobody
 * is in its way. The next broker takes nothing on trust but what the kernel says again: that the
 * control connection is of the same process, which still runs.
 *
 * A lease is kept whole or not at all, and whether it is, is said in its grant. One that is not, or
 * not any more, ends with the broker.
 */

#include "common/macros.h"

typedef struct Broker Broker;
typedef struct Lease Lease;

/* Has the lease kept from now on, if there is room. */
void keep_lease(Lease *lease);

/* It has one descriptor more; one less, which is about to be closed; it is over. */
void keep_add_fd(Lease *lease, int fd);
void keep_remove_fd(Lease *lease, int fd);
void keep_remove(Lease *lease);

/* What is kept of who is kept out is what there is now. */
void keep_blocks(Broker *broker);

/* Of the descriptors that systemd has passed takes those that were kept, leaving -EBADF in their
 * place. What is not whole, or cannot be gone on with, is cut off and its end recorded. Before
 * anybody is served. */
void keep_restore(Broker *broker, int *fds, char *const *names, unsigned n);

/* Whether another broker takes the place of this one, and whether PID 1 has all that it needs. It
 * is asked, and waited for: for the end. */
bool keep_is_restart(Broker *broker, bool *ret_has_all);
