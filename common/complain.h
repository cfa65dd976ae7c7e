#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Complain: what a helper says before it ends, for the journal
 *
 * Its standard error goes there, and the unit's name stands already in front of what it says.
 */

#include <stdio.h>
#include <sys/types.h>

#include "common/macros.h"

#define complain(...)                                     \
        do {                                              \
                (void)fprintf(stderr, "<3>" __VA_ARGS__); \
                (void)fputc('\n', stderr);                \
        } while (false)

/* The uid of the only one who may ask a helper. Without that user nobody may, which is said before
 * -errno is returned. */
int complain_find_broker(uid_t *ret) _must_check_;
