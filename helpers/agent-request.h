#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Request: one question of polkit's, from its beginning to its end
 *
 * First who it is to be: the library is asked, also where there is but one, so that the person
 * learns whose password it is. Then the proof. polkit waits for its answer all the while, and takes
 * its question back if nobody wants to know any more. What came to nothing is explained to the
 * library, since polkit's own answer would look like a denial.
 */

#include "helpers/agent-candidates.h"
#include "helpers/agent-link.h"

typedef struct AgentRequest AgentRequest;

typedef struct AgentRequestSpec {
        AgentLink *link;     /* borrowed */
        const char *socket;  /* the broker's; outlives the request */
        bool by_session;     /* in any case by polkit's own helper */
        const char *message; /* of polkit: what it is for */
        const char *cookie;
        const AgentCandidates *candidates;
        /* It is over, and is to be freed; never before it was made. */
        void (*done)(void *userdata);
        void *userdata;
} AgentRequestSpec;

/* Takes the reference to the task, which returns true if polkit was told. */
AgentRequest *agent_request_new_consume(const AgentRequestSpec *spec, GTask *task);
/* One that is not over is given up: it was dismissed. Takes NULL, returns NULL. */
AgentRequest *agent_request_free(AgentRequest *request);

/* Of the library, to what it was asked last. */
void agent_request_answer(AgentRequest *request, const AgentAnswer *answer);
