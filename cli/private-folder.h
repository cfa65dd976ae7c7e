#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Private folder: where a socket can stand that only its owner may find
 *
 * $XDG_RUNTIME_DIR/doorward, if both are what they should be: real folders, ours, which nobody else
 * can look into. Else, for who comes and goes, a new one in /tmp. All is done relative to folders
 * that are held open, so that nothing can be put in their place meanwhile.
 *
 * A new one is held (flock(2)) while its owner lives. What one leaves behind that was killed is
 * removed by whoever is next here: folders of ours that nobody holds, with nothing in them but
 * sockets of ours on which nobody listens. No file system that is mounted there is asked anything.
 */

#include "common/macros.h"

typedef struct PrivateFolder {
        int fd;     /* of the folder */
        int parent; /* of the one it is in; -EBADF: it is not ours to remove */
        char *path;
} PrivateFolder;

#define PRIVATE_FOLDER_NULL \
        { .fd = -EBADF, .parent = -EBADF }

/* $XDG_RUNTIME_DIR/doorward, which is made if it is not there, and swept. -ENXIO if there is no
 * $XDG_RUNTIME_DIR that can be taken; -EPERM, -ENOTDIR, ... if doorward in it is not what it
 * should be. */
int private_folder_init(PrivateFolder *folder) _must_check_;

/* A new, empty one in that, or in /tmp. -errno. */
int private_folder_init_new(PrivateFolder *folder) _must_check_;

/* The new one is removed; what is in it must have been before. */
void private_folder_deinit(PrivateFolder *folder);

/* Whether it is a folder of ours that nobody else can write or look into: 0, -ENOTDIR, -EPERM. */
int private_folder_check(int fd) _must_check_;
