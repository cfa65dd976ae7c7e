#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease ID: how much of it people see, and which one they mean
 *
 * An ID is 128 random bits, 32 hexadecimal digits: too long to read aloud. A table shows as many of
 * them as tell its leases apart, 8 at least, and what is shown can be written where an ID is
 * wanted.
 */

#include <jansson.h>

#include "common/macros.h"

#define LEASE_ID_DIGITS 32U
#define LEASE_ID_SHOWN_MIN 8U

enum {
        _LEASE_ID_E_SUCCESS,
        LEASE_ID_E_NONE,      /* no lease of the list has an ID that begins so */
        LEASE_ID_E_AMBIGUOUS, /* more than one has */
};

bool lease_id_is_valid(const char *text);
/* The beginning of one, as long as what is shown at least; the whole is one, too. */
bool lease_id_is_prefix(const char *text);

/* How many digits tell the leases of a list (lease_list()) apart. */
size_t lease_id_shown(const json_t *leases);

/* The one that begins so: 0 and *ret, borrowed from the list, or LEASE_ID_E_*. */
int lease_id_find(const json_t *leases, const char *prefix, const char **ret) _must_check_;

/* Those that begin so, with commas between, as many as one can take in. The caller's; NULL: no
 * memory. */
char *lease_id_candidates(const json_t *leases, const char *prefix) _must_check_;
