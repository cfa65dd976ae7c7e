#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Session: a proof by polkit's own helper
 *
 * Where polkit brings a helper that needs no setuid bit (127 and later, as a service), it is its
 * business to say how its prompts are answered, and PolkitAgentSession speaks to it. The library
 * knows conversations only, so the agent holds one with it, over a pair of sockets that the agent
 * made, and passes on what is asked and answered. Here answers do go through the agent, and are
 * erased as soon as they are passed on.
 */

#include <polkit/polkit.h>

#include "helpers/agent-proof.h"

/* Whether polkit has such a helper. */
bool agent_session_is_wanted(void);

/* name is the user's, and outlives the proof. */
AgentProof *agent_session_start(const char *cookie, uid_t uid, const char *name,
                                const AgentProofEvents *events, void *userdata);
