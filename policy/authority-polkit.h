#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Polkit authority
 *
 * All of GLib that the broker sees, but for its loop, is behind this function. It works in GLib's
 * default main context, which the loop runs.
 *
 * Nothing here waits. Where polkit or the bus is absent the answer is a failure, and each question
 * tries anew: a broker that was started before polkit needs no restart.
 *
 * Which actions exist is read from polkit, not from its folder, since polkit's opinion counts. It
 * is read anew when the folder changed or polkit says that something did; the latter at most every
 * AUTHORITY_ACTIONS_INTERVAL_MS, because any local user can make polkit say so as often as they
 * like.
 */

#include "policy/authority.h"

#define AUTHORITY_ACTIONS_INTERVAL_MS 250
/* How long a question that somebody was asked is left to end by itself when it is withdrawn. */
#define AUTHORITY_CANCEL_DELAY_MS 500

/* owner is the user whom actions must name as their owner. -ENOMEM. */
int authority_polkit_new(const char *owner, Authority **ret) _must_check_;
