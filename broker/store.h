#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Store: what outlives the broker, in systemd's fd store
 *
 * A lease is kept whole or not at all: its control connection, every duplicate, and its entry in
 * the state (broker/state.h), which is stored too, as "state". Each descriptor has a name of its
 * own, a letter (c: control connection, d: duplicate) and a number that the state knows it by: one
 * name for several would have PID 1 drop all of them where one is to go, and what has been stored
 * once is not stored under a second name.
 *
 * Changes are gathered for a moment, so that a lease of some milliseconds never reaches PID 1, for
 * which each descriptor costs time. Then the state is written, what is over is taken out, and what
 * is new is put in, in this order. A broker can be killed at any point in it:
 *
 *   before the state was written       a lease that is new is not known; nobody can end it
 *   after that                         of a new one descriptors are missing: it is not whole; of
 * one that is over there are descriptors without an entry where PID 1 has taken some only    the
 * same
 *
 * So what the next broker takes is whole, or it is told of it to record its end; and whatever of it
 * nobody has taken by then is shut down. A descriptor that hangs up stays stored (FDPOLL=0), else a
 * lease whose client went meanwhile would look as if it had never been whole.
 *
 * What is given to the store is borrowed, and must be open until it is taken out again.
 */

#include <systemd/sd-event.h>

#include "broker/state.h"

/* How many descriptors there are in all: FileDescriptorStoreMax= has to be one more. */
#define STORE_FDS_PER_LEASE 2U

enum {
        _STORE_E_SUCCESS,
        STORE_E_FULL,
};

typedef struct Store Store;
typedef struct StoreLease StoreLease;

/* A message to PID 1, with at most one descriptor (negative: none). -errno; 0 as from sd_notify(3)
 * if there is nobody to send it to. */
typedef int (*StoreNotify)(const char *message, int fd, void *userdata);

/* notify is NULL but for tests. max_leases is at most STATE_LEASES_MAX. -errno. */
int store_new(sd_event *event, unsigned max_leases, StoreNotify notify, void *userdata,
              Store **ret) _must_check_;

/* What is stored stays, and what was gathered is not stored. */
Store *store_free(Store *store);

/* One lease of the broker before. */
typedef struct StoreTaken {
        StateLease lease;
        StoreLease *kept; /* NULL: it is not whole, and over */
        int *fds;         /* the control connection, then the duplicates; -EBADF: it is missing */
        unsigned n_fds;
} StoreTaken;

typedef struct StoreContent {
        StoreTaken *leases;
        unsigned n_leases;
        StateBlock *blocks; /* the store has them already */
        unsigned n_blocks;
        int *orphans; /* descriptors of no lease that is known */
        unsigned n_orphans;
        int error; /* the state could not be read, -errno */
} StoreContent;

/* Of the descriptors that systemd has passed takes those that are the store's, leaving -EBADF in
 * their place. Call it first of all, and store_flush() when the ends of those that are over have
 * been recorded: before that they would be told of again. -errno: what was there has been shut
 * down, and nothing is kept. */
int store_take(Store *store, int *fds, char *const *names, unsigned n, StoreContent *ret);

/* Every descriptor that was not taken out of it by TAKE_FD() is shut down in both directions and
 * closed, also that of a lease that was whole, which is then not kept any more. What shutdown(2)
 * does not cut is cut before. */
void store_content_deinit(Store *store, StoreContent *content);

/* Keeps a lease from now on. STORE_E_FULL; -EINVAL: it could not be read again; -ENOMEM. */
int store_add(Store *store, const StateLease *lease, int control_fd, const int *duplicates,
              unsigned n_duplicates, StoreLease **ret) _must_check_;

/* What is known of it has changed. -EINVAL: it is kept as it was. */
int store_update(Store *store, StoreLease *kept, const StateLease *lease) _must_check_;

/* It has one descriptor more. If that does not succeed it is to be removed, since it is not whole
 * any more. STORE_E_FULL, -ENOMEM. */
int store_add_duplicate(Store *store, StoreLease *kept, int fd) _must_check_;

/* One of its duplicates is about to be closed. */
void store_remove_duplicate(Store *store, StoreLease *kept, int fd);

/* It is over, or kept no longer; before its descriptors are closed. NULL is fine. Returns NULL. */
StoreLease *store_remove(Store *store, StoreLease *kept);

/* Keeps these blocks, and no others. STORE_E_FULL, -EINVAL, -ENOMEM: those from before are kept. */
int store_set_blocks(Store *store, const StateBlock *blocks, unsigned n) _must_check_;

/* Whether all of it has been sent to PID 1. What has not would not outlive the broker. */
bool store_has(const StoreLease *kept);

/* How many descriptors PID 1 must have, if it has taken all that it was sent. */
unsigned store_count_sent(const Store *store);

/* Writes and sends what has been gathered, now. -errno: some of it was not; it is tried again in a
 * while. */
int store_flush(Store *store);

DEFINE_CLEANUP(Store *, store_free);
