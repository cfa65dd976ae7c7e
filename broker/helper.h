#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Helper: a connection to a process that is started for it, and one request
 */

#include "common/macros.h"

/* Connects to its socket for messages, each of which will name its sender, without waiting: a
 * descriptor, which does not block, or -errno. */
int helper_connect(const char *path) _must_check_;

/* Sends the request, with a descriptor, which stays the caller's: 0 or -errno. -ECONNRESET if there
 * is nobody any more, as it would be said of one that ends a moment later. */
int helper_send(int fd, const void *data, size_t size, int pass_fd) _must_check_;
