#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logins: whether a session, or a user's last one, has ended
 *
 * systemd-logind keeps what sessions there are in files, and says when they change. A session that
 * is closing has ended: whoever it was of has logged out, and only programs that they left behind
 * are there still. Where there is no logind, there are no sessions to end with.
 */

#include "common/macros.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Logins Logins;

int logins_new(Broker *broker, Logins **ret) _must_check_;
Logins *logins_free(Logins *logins);

/* Has the lease end with its holder's session, or the user's last one; false if it is of neither.
 */
bool logins_watch(const Logins *logins, Lease *lease);

/* Ends the lease if that has ended already. */
void logins_check(const Logins *logins, Lease *lease);

DEFINE_CLEANUP(Logins *, logins_free);
