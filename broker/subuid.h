#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Subuid: whose uids are somebody else's
 *
 * Whoever has a line in /etc/subuid has thousands of uids beside their own: in a user namespace
 * they make a setuid program of one of them, and start it outside. Judged it is as that uid, which
 * is nobody; but what it takes is taken from its owner's share, else one person could be as many
 * users as it takes to leave nothing to the others.
 *
 * A range whose owner is not in /etc/passwd counts as one user, by its first uid.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct SubuidRange {
        uid_t first, last;
        uid_t owner;
} SubuidRange;

typedef struct SubuidTable {
        SubuidRange *ranges;
        size_t n;
} SubuidTable;

/* Reads it from files of these names; a file that is not there has no lines, and a line that says
 * nothing is left out. -errno, and *table is empty then. */
int subuid_table_load(SubuidTable *table, const char *subuid, const char *passwd) _must_check_;
void subuid_table_deinit(SubuidTable *table);

/* By whom a uid is charged: its owner, or itself. */
uid_t subuid_table_find_owner(const SubuidTable *table, uid_t uid);
