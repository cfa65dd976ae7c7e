#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Inifile scan: what a file says, before inih is asked
 *
 * inih cuts long lines, joins indented ones to those before, takes " ;" for the start of a comment
 * and ":" for "=". Each of those would let a line mean something that its author did not see. The
 * scan refuses all of them, and notes what is left, so that inih's answers can be held to it and
 * have line numbers.
 */

#include "common/macros.h"

/* Slices of the text. */
typedef struct ScanEntry {
        unsigned number;
        const char *section, *key, *value;
        size_t section_size, key_size, value_size;
} ScanEntry;

typedef struct Scan {
        ScanEntry *entries;
        size_t n_entries;
        /* Of a refused text: */
        unsigned number;
        const char *reason; /* static */
} Scan;

enum {
        _SCAN_E_SUCCESS,
        SCAN_E_REFUSED,
};

/* -ENOMEM. The entries point into the text. */
int scan_init(Scan *scan, const char *text, size_t size) _must_check_;
void scan_deinit(Scan *scan);
