#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Candidates: as whom somebody may authenticate
 *
 * polkit names identities; the person is shown the names of those that are users, whoever asks
 * first among them, and each once. Kinds of identities that have no password are left out, and so
 * are users without a name.
 */

#include <polkit/polkit.h>

#include "common/agent-protocol.h"

typedef struct AgentCandidates {
        size_t n;
        uid_t uids[AGENT_NAMES_MAX];
        char names[AGENT_NAMES_MAX][AGENT_NAME_MAX + 1];
} AgentCandidates;

/* identities is a list of PolkitIdentity. Those that there is no room for are left out. */
void agent_candidates_read(AgentCandidates *candidates, const GList *identities, uid_t own);
