#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Step-up: passwords that were right a while ago
 *
 * Where a definition asks for the caller's own password (Authenticate=self) and lets it be
 * remembered (AuthenticateKeepSec=), this is where. It counts for one user, in one login session,
 * on one terminal, for one endpoint and access, as long as the definition is the same. The terminal
 * separates windows from each other, and not programs that mean harm: one of the same user in the
 * same session can make itself one of any number. Whoever is in no session is asked each time.
 *
 * Nothing of it outlives the broker.
 */

#include <sys/types.h>

#include "common/name.h"
#include "common/terms.h"
#include "policy/definition.h"

/* Of one user; the oldest goes for the next one. */
#define STEPUPS_PER_USER 64U

typedef struct Stepup Stepup;

/* For what, and where from. Borrowed. */
typedef struct StepupKey {
        uid_t uid;
        const char *session; /* NULL: in none, and nothing is remembered */
        uint32_t tty;        /* 0: none */
        const Name *name;
        Access access;
        const char *definition; /* its hash */
} StepupKey;

typedef struct StepupTable {
        Stepup *first; /* the newest */
} StepupTable;

void stepup_table_deinit(StepupTable *table);

/* now is of CLOCK_BOOTTIME, in µs: the time that the machine sleeps counts. Where there is no
 * memory nothing is remembered. */
void stepup_table_add(StepupTable *table, const StepupKey *key, uint64_t now, uint64_t usec);

bool stepup_table_has(StepupTable *table, const StepupKey *key, uint64_t now);

/* Forgets all of a user's; how many they were. */
unsigned stepup_table_forget(StepupTable *table, uid_t uid, uint64_t now);

/* Whether any still counts. */
bool stepup_table_is_empty(StepupTable *table, uint64_t now);
