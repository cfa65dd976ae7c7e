#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Textfile: a short file of the kernel's or the system's, or an administrator's draft, as a string
 *
 * Whoever reads one knows how long it can be, and has the room for it; what is longer is another
 * file than was thought.
 */

#include "common/macros.h"

/* The whole of it, with a NUL behind. -errno, -EFBIG if there is not the room for that and one more,
 * -EBADMSG if it has a NUL itself. What is read is then in buf as far as it goes, and ended by a NUL
 * as well. A FIFO is not waited for: it is empty. */
int textfile_read(const char *path, char *buf, size_t size) _must_check_;
