#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Observed: that an endpoint is observed, as the broker tells it
 *
 * The interface's type Observation, read with its types checked, and the words that people get for
 * it.
 */

#include "client/wire.h"

typedef struct Observed {
        const char *group; /* borrowed; NULL: the definition does not want it to be observed */
        int64_t until;
        bool active;
        bool admitted; /* the caller is granted it, whatever polkit says */
} Observed;

/* object may be NULL. -EBADMSG. */
int observed_read(const json_t *object, Observed *ret) _must_check_;

/* "observed until 2027-03-31T18:00:00Z, for the group docker". The caller's; NULL: no memory. */
char *observed_describe(const Observed *observed) _must_check_;
