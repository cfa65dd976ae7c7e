#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Activation: how systemd starts and ends this process
 *
 * What sd_listen_fds(3) does, for programs with powers: libsystemd would bring seven more libraries
 * into them for what are two environment variables.
 */

#include "common/macros.h"

/* The first descriptor that is passed. */
#define ACTIVATION_FD 3
/* A process that is of no use ends no sooner: what starts it again at once starts it twice a
 * second, which its unit's start limit allows for. */
#define ACTIVATION_USELESS_MSEC 500

/* Whether exactly one was passed, and to this very process. */
bool activation_has_socket(void);

/* Takes the one socket that was passed, if it is the seqpacket listener of this path: 0, and
 * ACTIVATION_FD does not block, is closed on exec, and has each message name its sender. -errno. */
int activation_take_listener(const char *path) _must_check_;

/* Hangs up on those that wait, who have nothing to wait for and would start this process over and
 * over; and takes its time, so that those who come back do not either. */
void activation_turn_away(int listener);

/* A descriptor that is readable when the process has been told to end (SIGTERM), which does not end
 * it any more: that is one of the things to wait for. */
int activation_get_end(int *ret) _must_check_;
