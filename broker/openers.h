#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Openers: the broker's connections to the helpers that open endpoints
 *
 * One connection to each opener that has something to do, made when it is needed and closed when it
 * was idle for a while. An opener that dies fails what it was doing and nothing else; it is not
 * asked again for the same request, since it may have died of it.
 *
 * What an opener says is checked as if it were hostile: a reply must be to a request of ours, hold
 * a descriptor exactly if it says ok, and that is all it can do.
 */

#include <systemd/sd-event.h>

#include "common/name.h"
#include "common/opener-protocol.h"

typedef struct Openers Openers;
typedef struct OpenerCall OpenerCall;

/* error is 0 and reply what the opener said, with fd (the callee's, if reply->status is OPENER_OK);
 * or a positive errno, when it could not be asked or did not answer, and reply is NULL. */
typedef void (*OpenerFunc)(int error, const OpenerReply *reply, int fd, void *userdata);

/* folder is where the sockets stand, each under its endpoint's name. */
int openers_new(sd_event *event, const char *folder, Openers **ret) _must_check_;

/* Every call must have been answered or cancelled. Returns NULL. */
Openers *openers_free(Openers *openers);

/* Asks the opener of name for a descriptor on behalf of whoever is connected by client_fd, which is
 * borrowed; definition is the hash of the one by which that was judged. func is called once, from
 * the loop, after usec at the latest. -errno. */
int openers_call(Openers *openers, const Name *name, const char *definition, Access access,
                 int client_fd, uint64_t usec, OpenerFunc func, void *userdata,
                 OpenerCall **ret) _must_check_;

/* Nobody waits for the answer any more; a descriptor that still comes is closed. NULL is fine.
 * Returns NULL. */
OpenerCall *opener_call_cancel(OpenerCall *call);

DEFINE_CLEANUP(Openers *, openers_free);
