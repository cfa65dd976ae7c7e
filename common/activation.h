#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Activation: the socket that systemd has passed to this process
 *
 * What sd_listen_fds(3) does, for programs with powers: libsystemd would bring seven more libraries
 * into them for what are two environment variables.
 */

#include "common/macros.h"

/* The first descriptor that is passed. */
#define ACTIVATION_FD 3

/* Whether exactly one was passed, and to this very process. */
bool activation_has_socket(void);
