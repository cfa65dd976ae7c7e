#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keeper: who holds the lease when `doorward fdpass` has gone
 *
 * A lease lives as long as the process that asked for it keeps asking. fdpass must end, since ssh
 * waits for it, so a child of its own asks instead, passes the descriptor on, lets fdpass end, and
 * stays until the program does that the descriptor was passed to: the process that made the socket.
 * Linux 6.5 gives a pidfd of it (SO_PEERPIDFD); before, its pid from SO_PEERCRED counts if it is an
 * ancestor of ours, which it is where a program starts fdpass as a helper. A pid of a stranger
 * could be another's by now.
 *
 * Until the descriptor is passed the two are one job of the terminal: the keeper may ask for a
 * password there. fdpass stops when it stops, and outlives it: a shell takes the terminal back when
 * fdpass stops or ends, and must not find it without echo. And the keeper ends with fdpass: a
 * prompt that nobody waits for any more must go away. What it has to say until then it says on
 * standard error; its exit status becomes fdpass's.
 */

#include "cli/grant.h"

enum {
        _KEEPER_E_SUCCESS,
        KEEPER_E_GONE,    /* the process that made the socket has ended */
        KEEPER_E_UNKNOWN, /* it cannot be told which process that is */
};

/* A pidfd of the process that made a unix socket's other end. KEEPER_E_*, -errno. */
int keeper_pin_maker(int socket_fd, bool use_peerpidfd, int *ret) _must_check_;

/* Asks, passes the descriptor over socket_fd and leaves a keeper behind if there is a lease. Takes
 * maker, a pidfd. Returns the exit status; what went wrong was said. */
int keeper_run_consume_fd(const Options *options, const Argument *argument, int socket_fd,
                          int maker);
