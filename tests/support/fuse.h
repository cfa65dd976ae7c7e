#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuse: a file system that a user serves, and that says nothing
 *
 * The test mounts it for all to use, and is who would be asked about each file. It tells whether it
 * was, and never answers: whoever asks, waits.
 */

#include "common/macros.h"

/* From now on this process has mounts of its own, and may mount. -errno where it may not. What was
 * opened before is elsewhere. */
int fuse_leave(void) _must_check_;

/* Mounts one at the folder: a descriptor that serves it, or -errno where there is no FUSE. Closing
 * it has those who wait go on. */
int fuse_mount(const char *folder) _must_check_;

/* Whether anybody has asked by now. */
bool fuse_was_asked(int fd);
