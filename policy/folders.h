#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Folders: where configuration is looked for
 *
 * The administrator's, this boot's, the site's and the packages', in that order of precedence.
 */

#include "common/macros.h"

#define FOLDERS_MAX 4U

/* The folders with root put before and suffix behind each ("" for none), ended by NULL. The vector
 * is the caller's. -ENOMEM. */
int folders_list(const char *root, const char *suffix, char ***ret) _must_check_;
