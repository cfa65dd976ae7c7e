#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Timespan: how long, as systemd writes it
 *
 * "8h", "1h 30min", "90s", "90": whole numbers with units of systemd.time(7), added up; without a
 * unit a number is seconds. Fractions and "infinity" are refused: a limit that is none is written
 * by leaving it out.
 */

#include "common/macros.h"

#define USEC_PER_SEC UINT64_C(1000000)

/* -EINVAL for anything that is not a time span, -ERANGE for one that does not fit. */
int timespan_parse(const char *text, uint64_t *ret_usec) _must_check_;

/* The shortest spelling that timespan_parse() reads back: "8h", "1h 30min". */
#define TIMESPAN_TEXT_SIZE 64
const char *timespan_to_string(uint64_t usec, char buf[TIMESPAN_TEXT_SIZE]);
