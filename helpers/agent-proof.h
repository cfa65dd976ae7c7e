#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proof: how polkit gets to know that somebody is who they are to be
 *
 * There are two ways, and the rest of the agent does not care which it is. Ours (agent-respond) has
 * the broker's PAM helper hold the conversation with the library; polkit's own (agent-session) goes
 * through libpolkit-agent and polkit's helper. Either way some conversation is passed on to the
 * library, and root tells polkit what came of it.
 */

#include "client/error.h"
#include "common/agent-protocol.h"

typedef struct AgentProofEvents {
        /* A conversation for the library; it may come to an end without any. Takes the descriptor.
         */
        void (*converse_consume_fd)(AgentWhose whose, int fd, void *userdata);
        /* It is over: polkit was told, or (not NULL) it came to nothing, for this reason, which is
         * borrowed. Comes once, never before the start has returned, and the last of all; the proof
         * is still to be freed, which may be done in there. */
        void (*done)(const doorward_error *error, void *userdata);
} AgentProofEvents;

typedef struct AgentProof AgentProof;

struct AgentProof {
        AgentProof *(*free)(AgentProof *proof);
        const AgentProofEvents *events;
        void *userdata;
};

/* Gives it up, if it is not over. Takes NULL, returns NULL. */
static inline AgentProof *agent_proof_free(AgentProof *proof) {
        return proof ? proof->free(proof) : NULL;
}
