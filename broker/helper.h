#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Helper: a connection to one that systemd starts for it
 */

#include "common/macros.h"

/* Connects to its socket for messages, each of which will name its sender, without waiting: a
 * descriptor, which does not block, or -errno. */
int helper_connect(const char *path) _must_check_;
