#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * State: what the next broker has to know of leases and blocks
 *
 * A memfd that outlives the process in systemd's fd store. It has two slots, and each write goes to
 * the one that is older, with a higher number and a hash over all of it: a broker that is killed in
 * the middle of a write leaves the state from before. It is sealed against being resized and read
 * with pread(2), so that nobody who has a copy of it can make a reader fault.
 *
 * The descriptors of a lease are there by number: under which name the store has them is up to
 * broker/store.h.
 */

#include "broker/state-content.h"

/* Two slots, with a header each. Pages that are never written take no memory. */
#define STATE_SLOT_SIZE (STATE_CONTENT_MAX + 4096)

typedef struct State {
        int fd;
        unsigned slot;       /* the next to be written */
        uint64_t generation; /* of what was written last */
} State;

#define STATE_NULL \
        { .fd = -EBADF }

/* Makes an empty memfd: there is nothing to be read from it yet. -errno. */
int state_init(State *state) _must_check_;

/* Takes one that was written, and reads it. -EBADMSG: nothing in it is valid; -ENOMEM, -errno. */
int state_init_consume_fd(State *state, int fd, StateContent *ret) _must_check_;
void state_deinit(State *state);

/* What was written before is still there until the next write. -EINVAL: this could not be read
 * again; -ENOMEM, -errno. */
int state_write(State *state, const StateContent *content) _must_check_;
