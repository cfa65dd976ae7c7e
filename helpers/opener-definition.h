#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Definition of the opener: the one that its powers were cut for
 *
 * The generator wrote the unit's user, groups and sandbox from a definition, and the hash of that
 * definition's text into its environment. What the opener reads before each request has to have
 * that hash: otherwise the powers of one text would serve the paths of another, and an endpoint
 * that an administrator has just taken away would still open. A different text, and none at all,
 * are "stale", and end the process: the next one is started with what the unit says by then.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "policy/definition.h"
#include "policy/stamps.h"

typedef struct OpenerDefinition {
        const char *name;
        const char *hash; /* of what the unit was written from */
        char **folders;
        uid_t owner;            /* of files that count, beside root: for tests */
        Definition *definition; /* NULL until it was read */
        Stamps stamps;          /* of what it was read from */
} OpenerDefinition;

/* name and hash are borrowed, and so is root, which is put before the folders. -ENOMEM. */
int opener_definition_init(OpenerDefinition *current, const char *root, uid_t owner,
                           const char *name, const char *hash) _must_check_;
void opener_definition_deinit(OpenerDefinition *current);

/* Reads it again, unless it is certain that nothing has changed. 0 if it is the one of the hash and
 * can be used, else OPENER_STALE; what was read before is then kept. */
int opener_definition_refresh(OpenerDefinition *current, OpenerReply *reply) _must_check_;
