#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Action: what polkit is asked about, and what it is told beforehand
 *
 * Each endpoint has one action for each access that it provides, org.doorward.endpoint.NAME.full
 * and .read-only: polkit keys an authorisation that is kept (auth_admin_keep) by the action alone,
 * so a shared one would let a password typed for one endpoint open another. The instances of a
 * template share their template's. Where no such action is installed the generic
 * org.doorward.full and org.doorward.read-only are asked about.
 *
 * A .policy file declares actions, with what polkit answers as long as no rule says otherwise, and
 * names the broker's user as their owner, without which polkit would not let it ask about others.
 */

#include "config.h"
#include "policy/definition.h"

#define ACTION_PREFIX "org.doorward."
#define ACTION_ENDPOINT_PREFIX ACTION_PREFIX "endpoint."
#define ACTION_MANAGE_LEASES ACTION_PREFIX "manage-leases"
/* An id, a file's name at its longest, and the NUL. */
#define ACTION_TEXT_SIZE 96
#define ACTION_PATH_SIZE (sizeof(POLKIT_ACTION_DIR) + ACTION_TEXT_SIZE)

/* polkit's words for the three kinds of session: any, inactive and active on a seat. */
typedef struct ActionDefaults {
        const char *any;
        const char *inactive;
        const char *active;
} ActionDefaults;

/* "org.doorward.endpoint.docker.full". endpoint is a name without an instance. Returns buf. */
const char *action_endpoint_id(const char *endpoint, Access access, char buf[ACTION_TEXT_SIZE]);
/* "org.doorward.full". Static. */
const char *action_generic_id(Access access);

/* "org.doorward.endpoint.docker.policy": the name of the file that declares them. Returns buf. */
const char *action_file_name(const char *endpoint, char buf[ACTION_TEXT_SIZE]);
/* Where polkit has it. Returns buf. */
const char *action_file_path(const char *endpoint, char buf[ACTION_PATH_SIZE]);

/* What a password prompt says; instance is "" for a definition that is no template. The caller's,
 * or NULL without memory. */
char *action_message(const Definition *definition, const char *instance, Access access);

/* What the actions of this definition say as long as no rule decides: for a definition as it was
 * shipped what its own .policy file says; for any other (one of /etc, or a shipped one with
 * drop-ins) a password, always, because nobody but its author knows how harmless it is. */
const ActionDefaults *action_defaults(const Definition *definition, Access access);
/* Those of a shipped definition by its name; NULL if none is shipped under it, or not so. */
const ActionDefaults *action_shipped_defaults(const char *endpoint, Access access);

/* The text of the .policy file: of a definition, with an action for each access that it provides;
 * and of the generic actions. The caller's. -ENOMEM; -EINVAL for a definition with a problem. */
int action_print(const Definition *definition, const ActionDefaults *read_only,
                 const ActionDefaults *full, char **ret) _must_check_;
int action_print_generic(char **ret) _must_check_;
