#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rule: what an administrator would write so that polkit answers otherwise
 *
 * A file for /etc/polkit-1/rules.d/, complete: it can be saved as it is printed. polkit takes the
 * first answer, in the order of the files' names, so the suggested name sorts early. Names are
 * written as JavaScript strings: a directory server's may hold anything.
 */

#include <stdio.h>

#include "common/macros.h"
#include "common/name.h"
#include "common/terms.h"

#define RULE_FOLDER "/etc/polkit-1/rules.d"

typedef struct RuleSpec {
        const char *action;
        const char *endpoint; /* compared too if the action is shared by others; else NULL */
        const char *instance; /* compared too; NULL: whatever the instance */
        const char *user;
        const char *result; /* "YES" */
} RuleSpec;

void rule_print(FILE *f, const RuleSpec *spec);

/* "/etc/polkit-1/rules.d/10-doorward-docker-full-bob.rules": another for each endpoint, access and
 * user, whose name is there as far as a file's name can hold it. The caller's; NULL: no memory. */
char *rule_path(const Name *name, Access access, const char *user) _must_check_;
