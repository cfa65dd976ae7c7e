#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Inode: whether a name is still that of a file which is held open
 *
 * While it is open no other can have its number. What stands there by now may be somebody else's.
 */

#include "common/macros.h"

/* name is looked up in a folder (AT_FDCWD as with openat(2)), and is no link to it. */
bool inode_is_at(int folder, const char *name, int fd) _must_check_;
