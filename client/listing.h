#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Listing: the endpoints by name, for whoever named none
 *
 * Nothing is guessed where no endpoint was named; but whoever reads the error can choose. That the
 * names cannot be had is no error of its own: the hint says so.
 */

#include "client/wait.h"
#include "client/wire.h"

typedef struct Listing {
        Wire *wire;
        bool calling;
        int64_t retry_at; /* to connect */
        int64_t deadline; /* for all the names together */
        char names[ERROR_TEXT_MAX - 128];
} Listing;

void listing_init(Listing *listing);

/* Never waits. 1: for what listing_wait() says there is to be waited; -EINVAL and the error
 * (BAD_URI), in whose hint the names are. */
int listing_process(Listing *listing, doorward_error *error) _must_check_;
void listing_wait(const Listing *listing, Wait *wait);

/* To its end. */
int listing_block(Listing *listing, doorward_error *error) _must_check_;

/* In a child process it is but a copy. */
void listing_deinit(Listing *listing, bool is_copy);
