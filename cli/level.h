#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Level: one access level of an endpoint, as the broker tells it
 *
 * The interface's type Level, read with its types checked, and the words that people get for it.
 */

#include "cli/challenge.h"
#include "client/wire.h"
#include "common/terms.h"

typedef struct Level {
        bool provided;
        int decision;       /* a Decision, or 0: it was not asked for, or could not be had */
        const char *action; /* borrowed; NULL if not told */
        int kind;           /* a Kind, or 0 */
        int mode;           /* a LeaseMode, or 0 */
        int means;          /* a Means, or 0 */
        bool device_controls;
        bool step_up;    /* one's own password is asked for in addition to what policy says */
        int64_t max_sec; /* 0: no end is set */
} Level;

/* -EBADMSG. */
int level_read(const json_t *object, Level *ret) _must_check_;

/* What you would meet: "yes", "password", "no", "n/a" where the endpoint has no such level, "?"
 * where nobody knows. A password is "password:own" or "password:admin" if it is known whose, with
 * "+own" if one's own is asked for besides. Static. */
const char *level_answer(const Level *level, Whose whose);

/* What its lease is like, in a sentence, and what read-only means here. Static; NULL if there is
 * nothing to say. */
const char *level_lease_text(const Level *level);
const char *level_means_text(const Level *level);
