/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "cli/inode.h"

bool inode_is_at(int folder, const char *name, int fd) {
        struct stat there, ours;

        return fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
               there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}
