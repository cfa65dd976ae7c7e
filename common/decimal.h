#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Decimal: a number as text, where it is needed so often that printf(3) would show
 */

#include "common/macros.h"

/* The digits of 64 bits, and the NUL. */
#define DECIMAL_SIZE 21U

/* Its digits, at the end of buf; returns the first. */
static inline char *decimal_format(uint64_t value, char buf[DECIMAL_SIZE]) {
        char *p = buf + DECIMAL_SIZE - 1;

        *p = 0;
        do
                *--p = (char)('0' + value % 10);
        while ((value /= 10) > 0);

        return p;
}
