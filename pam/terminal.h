#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Terminal: what PAM modules call one
 *
 * Modules compare PAM_TTY with the names that administrators write (pam_time, pam_access). /proc
 * has a number, and the device need not be looked for: its numbers are Linux's own.
 */

#include "common/macros.h"

#define TERMINAL_NAME_SIZE 24

/* "pts/3", "tty1" or "ttyS0" of a number as in /proc/PID/stat; false if it is none of these. */
bool terminal_get_name(uint32_t tty, char buf[TERMINAL_NAME_SIZE]);
