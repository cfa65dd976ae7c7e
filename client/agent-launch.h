#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Agent launch: how doorward-agent is started
 *
 * It gets one end of a pair of sockets and is told which process it is for, and where the broker
 * is. None of that is secret. There is no way to have another program started: what is asked for
 * passwords is what was installed.
 */

#include "common/macros.h"
#include "config.h"

/* Unit tests are built with a program, and with a patience, of their own. */
#ifndef AGENT_PROGRAM
#define AGENT_PROGRAM HELPER_DIR "/doorward-agent"
#endif

/* *ret_fd is our end, which does not block and on which each message names its sender. That it
 * cannot be executed is told over it. -errno. */
int agent_launch(const char *socket, int *ret_fd) _must_check_;
