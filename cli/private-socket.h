#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Private socket: a listening stream socket at a path, 0600
 *
 * What was made is removed only while it still stands there: its inode is held for that (a pin), so
 * that no other can have its number.
 */

#include "common/macros.h"

/* Makes one at a path, in a folder that nobody else can write; listens. A descriptor and *ret_pin,
 * the caller's. -EADDRINUSE: something is there already. -ENAMETOOLONG, -errno. */
int private_socket_new(const char *path, int *ret_pin) _must_check_;

/* Removes it, and closes the pin; with -EBADF nothing is done. */
void private_socket_remove_consume_pin(const char *path, int pin);

/* Removes a socket of ours on which nobody listens any more, if that is what is there. 0, also if
 * there is nothing; -EADDRINUSE: somebody listens; -EEXIST: it is something else. */
int private_socket_remove_dead(const char *path) _must_check_;
