#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Relay open: an Open of the near end, with all that is asked on the way
 *
 * This machine's prompts come to the library's credentials callback, as in any program; here that
 * hands them on and waits for the Continue with the answer.
 */

#include "cli/relay-link.h"
#include "client/conn.h"

/* 1 and *ret: it was opened, and the near end was told so; 0: it was told why not; -errno as
 * relay_link_receive() and relay_link_reply(). -EPIPE: it has hung up in between. */
int relay_open(RelayLink *link, const RelayCall *call, doorward_conn **ret) _must_check_;
