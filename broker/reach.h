#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reach: from an endpoint's name to a descriptor for the client
 *
 * The opener opens it; where the definition has a filter, what it has opened goes there, and the
 * client gets the filter's end instead. Both who open an endpoint and who open it once more under a
 * lease come this way, so that neither can miss the filter.
 */

#include "broker/filters.h"
#include "broker/openers.h"
#include "broker/refusal.h"

typedef struct Reach Reach;
typedef struct Session Session;

typedef struct Reached {
        Refusal *refusal; /* NULL: it was reached; else without the endpoint's name */
        int fd;           /* the client's, and the callee's to close */
        int link;         /* the filter's connection, the same; or -EBADF, where there is none */
} Reached;

/* reached is the callee's for the time of the call. */
typedef void (*ReachFunc)(Reached *reached, void *userdata);

/* Reaches it for the session's client, if its definition still has this hash. An opener that knows
 * an earlier one is asked once more, by when it is another process. func is called once, from the
 * loop. If it cannot even be asked: false, and the refusal. */
bool reach_begin(Session *session, const Name *name, const char *definition, Access access,
                 ReachFunc func, void *userdata, Reach **ret, Refusal *ret_refusal) _must_check_;

/* Nobody waits for it any more. NULL is fine. Returns NULL. */
Reach *reach_cancel(Reach *reach);
