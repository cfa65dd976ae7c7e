#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts: whether what a file system says of its files is to be believed
 *
 * Whose a folder is, and who can write it, its file system says. One kind says what a user wants:
 * FUSE, which fusermount(1) mounts for anybody, where they like below their own folders, and which
 * a process of theirs serves. With allow_other it is there for openers too, and its folders are
 * root's if it says so. Nothing of one is passed or opened, whoever mounted it. All other kinds
 * take root to mount: whom those are to believe, a server or a disk that somebody brought, was then
 * root's decision. What a user mounts in a namespace of their own is in no table but that one's,
 * and what is not in ours is refused, too.
 *
 * It has to be known before anything else is asked. fstat(2), and fstatfs(2) as well, are questions
 * to that process, which need not answer: who asks waits, for ever, where not even SIGKILL reaches
 * it. So does whoever closes a file of it. The kernel alone has the number of the mount, by
 * statx(2) that asks for nothing and may not ask the file system; and beside that number in
 * /proc/self/mountinfo the name of the kind. (statmount(2) would tell it directly, since
 * Linux 6.8.)
 *
 * That table is long. So what was found is remembered, by a number that no other mount will ever
 * have, which the kernel gives each besides (Linux 6.8). Before that there is but the one that is
 * in the table, and is used again: what was found by it is good until the kernel says, by poll(2),
 * that any mount has changed.
 */

#include <stdio.h>

#include "common/macros.h"

#define OPENER_MOUNTS_MAX 8

typedef struct OpenerMounts {
        FILE *table;                         /* NULL: it was not needed yet */
        uint64_t trusted[OPENER_MOUNTS_MAX]; /* by their numbers */
        size_t n_trusted;
        bool no_unique; /* as on a kernel before Linux 6.8 */
} OpenerMounts;

/* What is then left is the beginning. A process that was forked begins there, but forgets what it
 * has instead: to hear of changes by the parent's table would keep them from the parent, and to
 * close it as a stream may move the place up to which the parent has read. */
void opener_mounts_deinit(OpenerMounts *mounts);

/* 0 if the file system that fd is on, by O_PATH or any other way, is to be believed. 1 if not;
 * -errno if that cannot be found out. Then *ret_reason goes on with "PATH ...". Never waits. */
int opener_mounts_check(OpenerMounts *mounts, int fd, const char **ret_reason) _must_check_;
