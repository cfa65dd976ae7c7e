#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trusted: reading only what nobody but root can have written
 *
 * A definition decides what is opened with privileges, so whoever can write one holds them. A file
 * counts only if it belongs to root and neither its group nor others can write it, and if the same
 * is true of every folder on its way (an ancestor may be writable if it is sticky, as /tmp is: what
 * root has there nobody else can replace). Symbolic links among the folders are followed by hand,
 * so that each one's own surroundings are checked as well; the file itself may be no link but one
 * to /dev/null, which masks.
 *
 * A POSIX ACL needs no look of its own: what it grants beyond the owner shows in the group's bits.
 * All readers must agree, whoever they run as, so what only root could read is refused too.
 *
 * "root" is a parameter for the tests' sake: the owner, beside uid 0, who is trusted. Everybody
 * else passes 0.
 */

#include <sys/types.h>

#include "common/macros.h"

/* Beside -errno: not to be used, and *ret_reason, which is the caller's, says why. */
enum {
        _TRUSTED_E_SUCCESS,
        TRUSTED_E_REFUSED,
        TRUSTED_E_MASKED, /* the file is empty, or a link to /dev/null */
};

/* Opens a folder by its absolute path. -ENOENT if it is not there, whatever the folders on the way
 * are like. If it is refused for what it is, and not because it could not be opened, *ret_fd is
 * valid all the same: to see what else is spoilt. */
int trusted_open_folder(const char *path, uid_t owner, int *ret_fd, char **ret_reason) _must_check_;

/* Opens a folder within a trusted one; path names it for the reason. */
int trusted_open_subfolder(int folder_fd, const char *name, const char *path, uid_t owner,
                           int *ret_fd, char **ret_reason) _must_check_;

/* Reads a whole file of a trusted folder, of at most max bytes. A NUL is put behind the text, and
 * the text may hold more of them. -ENOENT. */
int trusted_read_file(int folder_fd, const char *name, const char *path, uid_t owner, size_t max,
                      char **ret, size_t *ret_size, char **ret_reason) _must_check_;
