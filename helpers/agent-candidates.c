/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pwd.h>

#include "helpers/agent-candidates.h"

/* The uid of an identity that is a user, or (uid_t)-1. */
static uid_t user_of(gpointer identity) {
        gint uid;

        if (!POLKIT_IS_UNIX_USER(identity))
                return (uid_t)-1;

        uid = polkit_unix_user_get_uid(POLKIT_UNIX_USER(identity));
        return uid < 0 ? (uid_t)-1 : (uid_t)uid;
}

static bool is_known(const AgentCandidates *candidates, uid_t uid) {
        for (size_t i = 0; i < candidates->n; i++)
                if (candidates->uids[i] == uid)
                        return true;

        return false;
}

static void candidates_add(AgentCandidates *candidates, uid_t uid) {
        const struct passwd *entry;

        if (candidates->n == AGENT_NAMES_MAX || is_known(candidates, uid))
                return;

        entry = getpwuid(uid);
        if (!entry || !entry->pw_name[0] || strlen(entry->pw_name) > AGENT_NAME_MAX)
                return;

        strcpy(candidates->names[candidates->n], entry->pw_name);
        candidates->uids[candidates->n++] = uid;
}

void agent_candidates_read(AgentCandidates *candidates, const GList *identities, uid_t own) {
        *candidates = (AgentCandidates){};

        for (const GList *l = identities; l; l = l->next)
                if (user_of(l->data) == own)
                        candidates_add(candidates, own);

        for (const GList *l = identities; l; l = l->next)
                if (user_of(l->data) != (uid_t)-1)
                        candidates_add(candidates, user_of(l->data));
}
