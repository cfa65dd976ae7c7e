#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signals: which of them end a command that has something to remove first
 *
 * Such a command takes all of these, so that none ends it before that was done. Not among them are
 * what cannot be taken (SIGKILL), what tells of a fault of our own, and SIGPIPE, which is ignored.
 */

#include <signal.h>

#include "common/macros.h"

/* Adds all that end a process, if nothing else was said of them. */
void signals_add_ending(sigset_t *set);

/* Leaves out those that we were started with as ignored: they are to end nothing. */
void signals_leave_ignored(sigset_t *set);

/* Whether it waits for us, blocked. */
bool signals_is_pending(int number);
