#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Terminal: what PAM modules call one
 *
 * Modules compare PAM_TTY with the names that administrators write (pam_time, pam_access). /proc
 * has a number, and the device need not be looked for: its numbers are Linux's own.
 *
 * A number of a pseudo-terminal says little by itself: in a namespace of their own anybody has a
 * /dev/pts in which they begin to count at 0. So one counts only if its name in ours is the user's.
 */

#include <sys/types.h>

#include "common/macros.h"

#define TERMINAL_NAME_SIZE 24

/* "pts/3", "tty1" or "ttyS0" of a number as in /proc/PID/stat; false if it is none of these. */
bool terminal_get_name(uint32_t tty, char buf[TERMINAL_NAME_SIZE]);

/* Whether a terminal of that name and number can be this user's. */
bool terminal_can_be_of(const char *name, uint32_t tty, uid_t uid);
