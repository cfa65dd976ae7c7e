#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Moment: a point in time, as people read it
 *
 * The wire has microseconds of CLOCK_REALTIME. People get local time to the second, with the year
 * first, so that what is sorted as text is sorted as time.
 */

#include "common/macros.h"

#define MOMENT_TEXT_SIZE 32

int64_t moment_now(void);

/* "2026-10-02 12:01:33"; "?" for what no calendar has. Returns buf. */
const char *moment_to_string(int64_t usec, char buf[MOMENT_TEXT_SIZE]);

/* The same, without the day if now is on it. */
const char *moment_to_short_string(int64_t usec, int64_t now, char buf[MOMENT_TEXT_SIZE]);
