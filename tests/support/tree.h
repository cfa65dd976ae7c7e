#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tree: a folder of files for one test
 *
 * Made under $TMPDIR, taken away by tree_deinit(). Paths are relative to it; folders on the way are
 * made. Every failure ends the test.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct Tree {
        char path[256];
} Tree;

void tree_init(Tree *tree);
void tree_deinit(Tree *tree);

/* The absolute path, in a buffer of the caller's; returns it. */
#define TREE_PATH_SIZE 1024
const char *tree_path(const Tree *tree, const char *path, char buf[TREE_PATH_SIZE]);

void tree_folder(const Tree *tree, const char *path);
void tree_file(const Tree *tree, const char *path, const char *text);
void tree_bytes(const Tree *tree, const char *path, const void *data, size_t size);
void tree_link(const Tree *tree, const char *path, const char *target);
void tree_mode(const Tree *tree, const char *path, mode_t mode);
/* Gives the file to somebody who is neither root nor tree_owner(): as root by chown(2). Anybody
 * else has no such file, and gets -EPERM: then only tree_stranger() can be tried. */
int tree_give_away(const Tree *tree, const char *path);
void tree_remove(const Tree *tree, const char *path);
/* The whole text. The caller's. */
char *tree_read(const Tree *tree, const char *path);

/* Who owns the files of a tree; and somebody who owns none. */
uid_t tree_owner(void);
uid_t tree_stranger(void);
