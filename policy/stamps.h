#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stamps: whether a configuration is still what was read
 *
 * Whoever has to know before each request whether a configuration has changed can compare what the
 * kernel says of its files instead of reading them: file system, inode and the time of the last
 * change, which nobody can set. They are taken before the files are read, so that a change in
 * between shows.
 *
 * The folders stand for what is in them: a file that comes, goes or is replaced changes its folder.
 * The folders on the way to them are left out. Who could write there could only put something else
 * in the place of what is below, and that shows.
 *
 * A file system counts time in steps, and two changes within one look like one. So stamps that are
 * younger than any step vouch for nothing: what was changed a moment ago has to be read again.
 */

#include <sys/types.h>

#include "common/macros.h"

/* The longest step of a file system that Linux can be booted from is FAT's, 2 s. */
#define STAMPS_SETTLE_SEC 3

typedef struct Stamp Stamp;

typedef struct Stamps {
        Stamp *stamps;
        size_t n_stamps;
        bool settled;
} Stamps;

/* Of all that inifile_load() would read of one of the names, which are ended by NULL, in these
 * folders. -ENOMEM, or what listing the drop-ins failed with. */
int stamps_take(char *const *folders, const char *const *names, Stamps *ret) _must_check_;
/* Of one file, which need not be there. -ENOMEM. */
int stamps_take_file(const char *path, Stamps *ret) _must_check_;
void stamps_deinit(Stamps *stamps);

/* Whether nothing has changed since, for certain. Of stamps that were never taken it is false. */
bool stamps_are_current(const Stamps *stamps);
