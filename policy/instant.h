#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Instant: a point in time, as files and options say it
 *
 * ISO 8601 in UTC, and nothing that could be read in two ways: 2027-03-31T18:00:00Z,
 * 2027-03-31T18:00Z, or 2027-03-31, which is the beginning of that day. What has another time zone,
 * or none beside an hour, is no instant: a file means the same moment on each machine.
 */

#include "common/macros.h"

#define INSTANT_TEXT_SIZE 32

/* µs of CLOCK_REALTIME. -EINVAL for anything else, and for a day that no calendar has; years are
 * those from 2000 to 2199. */
int instant_parse(const char *text, uint64_t *ret_usec) _must_check_;

/* "2027-03-31T18:00:00Z", to the second; "?" for what has a year of more than four digits. */
const char *instant_to_string(uint64_t usec, char buf[INSTANT_TEXT_SIZE]);

/* Now, by the clock that can be set. */
uint64_t instant_now(void);
