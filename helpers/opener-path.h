#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Path: from a definition's path to the thing itself, past nobody's tricks
 *
 * A definition names a path; whoever can write a folder on the way decides what stands there, and
 * the opener has powers that he lacks. So the path is walked a component at a time, each held by an
 * O_PATH descriptor before it is looked at, and the last one is what will be opened: nothing is
 * ever looked up by name twice. The rules:
 *
 *  1. A folder that is root's, and that nobody else can write, is passed. (An ACL that lets
 *     somebody write shows in the group bits.)
 *  2. To open something, a folder of the user of PeerUser= is passed too, if nobody but him can
 *     write it. What stands below is then his to choose: it has to be his own, with no second name.
 *     No folder that others can write is passed, sticky or not.
 *  3. To connect to a socket, folders of that user and of root are passed also if others can write
 *     them (/tmp, /run/postgresql), as long as PeerUser= names a user: who made the listening
 *     socket is asked after the connection is made. What has a second name is refused here too.
 *  4. A symbolic link is followed only as long as every folder so far was as in 1, eight at most.
 *  5. A folder of anybody else is not passed.
 *  6. Nothing on a FUSE file system is passed, opened or connected to: see opener-mounts.h.
 *
 * Magic links of /proc are never followed: only their text is read, and it leads nowhere.
 */

#include <sys/stat.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "helpers/opener-mounts.h"

#define OPENER_PATH_LINKS_MAX 8

typedef struct OpenerPathRules {
        OpenerMounts *mounts;  /* what is known of them */
        int root_fd;           /* what "/" is, O_PATH */
        uid_t root;            /* whose folders are trusted */
        uid_t peer;            /* of PeerUser=; PEER_UID_INVALID if that is "*" */
        const char *peer_name; /* for messages */
        bool connects;         /* to a socket: rule 3, else rule 2 */
} OpenerPathRules;

/* Walks an absolute path: 0 and an O_PATH descriptor of what stands there, which is no link. Else
 * OPENER_PATH; the reply's error is ENOENT if nothing stands there, and its detail says which
 * component is in the way and why. */
int opener_path_walk(const OpenerPathRules *rules, const char *path, int *ret_fd,
                     struct stat *ret_stat, OpenerReply *reply) _must_check_;
