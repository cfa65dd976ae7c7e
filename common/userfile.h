#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Userfile: system users and groups, from /etc/passwd and /etc/group only
 *
 * A broker that waits for a directory server is down when the network is, a generator runs before
 * there is one, and a name that somebody else can add must not become a gid here. So names in
 * definitions mean what this machine's own two files say.
 */

#include <sys/types.h>

#include "common/macros.h"

#define USERFILE_PASSWD "/etc/passwd"
#define USERFILE_GROUP "/etc/group"

/* -ENOENT if there is no such entry, else -errno. */
int userfile_get_uid(const char *path, const char *name, uid_t *ret) _must_check_;
/* With the user's own group. */
int userfile_get_user(const char *path, const char *name, uid_t *ret_uid,
                      gid_t *ret_gid) _must_check_;
int userfile_get_gid(const char *path, const char *name, gid_t *ret) _must_check_;
