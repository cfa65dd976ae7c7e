#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Polkit authority
 *
 * Asks polkit over the system bus, in sd-event's loop. The same is to be had of libpolkit, which
 * hands each question to a thread of GLib's and takes the answer back from it: most of what an open
 * cost the broker, for the sake of three methods.
 *
 * Nothing here waits. Where polkit or the bus is absent the answer is a failure, and each question
 * tries anew.
 */

#include <systemd/sd-event.h>

#include "policy/authority.h"

/* How long a question that somebody was asked is left to end by itself when it is withdrawn. */
#define AUTHORITY_CANCEL_DELAY_MS UINT64_C(500)

/* owner is the user whom actions must name as their owner. -ENOMEM. */
int authority_polkit_new(sd_event *event, const char *owner, Authority **ret) _must_check_;
