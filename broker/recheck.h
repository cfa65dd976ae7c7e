#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Recheck: whether policy still says yes to what is open
 *
 * polkit says that something has changed, and not what; anybody can make it say so, by logging in
 * and out. So changes are gathered for a moment, then every live lease is judged again, without a
 * prompt. Leases about which the question would be the same, word for word, are judged together. It
 * goes slowly, and after everybody who wants to open something.
 *
 * What rests on no password ends on anything but a plain yes. What rests on one ends only on a
 * plain no: the password was for once, polkit would have to ask for another, and to want one again
 * is not to forbid. That polkit cannot be asked ends nothing, and is tried again.
 */

#include <systemd/sd-event.h>

#include "common/macros.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Recheck Recheck;

int recheck_new(Broker *broker, Recheck **ret) _must_check_;
Recheck *recheck_free(Recheck *recheck);

/* Something of policy may have changed. */
void recheck_all(Recheck *recheck);

/* Of a lease that has just been handed over: policy may have changed since it was asked. */
void recheck_lease(Recheck *recheck, const Lease *lease);

/* Whether any of it is under way. */
bool recheck_is_pending(const Recheck *recheck);
