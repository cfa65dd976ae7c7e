#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Respond: a proof by the broker's PAM helper
 *
 * AgentRespond, on a connection to the broker of its own. Its first reply has a conversation, which
 * is passed on unseen: what is written there is between the library and root. The second says what
 * came of it. Hanging up ends it.
 */

#include "helpers/agent-proof.h"

/* socket is the broker's; name is the user's, and outlives the proof. -errno and the error. */
int agent_respond_start(const char *socket, const char *cookie, uid_t uid, const char *name,
                        const AgentProofEvents *events, void *userdata, AgentProof **ret,
                        doorward_error *error) _must_check_;
