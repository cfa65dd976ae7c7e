#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * User: names for the numbers that the broker has
 *
 * The broker looks nobody up, so its users are numbers. Here they get the names that this machine
 * has for them, and back.
 */

#include <sys/types.h>

#include "common/macros.h"

#define USER_TEXT_SIZE 256

/* The name of a uid, the caller's, or NULL if it has none here. -EBADMSG if no uid can be that
 * number, -ENOMEM. */
int user_find_name(int64_t uid, char **ret) _must_check_;

/* The name, or the number if there is none. Returns buf. */
const char *user_to_string(int64_t uid, char buf[USER_TEXT_SIZE]);

/* The uid of a user who is named, or whose number is written. -ENOENT if there is none. */
int user_find_uid(const char *text, uid_t *ret) _must_check_;
