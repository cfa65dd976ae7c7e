#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Relay: moves a session's bytes
 *
 * It waits for three descriptors and makes no others; it asks for no memory. So it goes on where
 * nothing but that is allowed (filter-sandbox.h).
 */

#include "helpers/filter-session.h"

/* How long a client that was refused has to read that, and to stop. */
#define FILTER_LINGER_MSEC 5000

typedef struct FilterRelay {
        int client;
        int service;
        int broker; /* when it says anything, which is that it hangs up, all ends */
        FilterSession *session;
        int linger_msec;
} FilterRelay;

/* Until any of the three is done with: 0, or -errno. */
int filter_relay_run(FilterRelay *relay) _must_check_;
