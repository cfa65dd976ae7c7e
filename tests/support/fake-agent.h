#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fake agent: stands in the place of client/agent.c, for tests that are linked with it
 *
 * It does what a test says, and counts what is done with it. It allocates nothing.
 */

#include "client/agent.h"

/* An error, as the agent would have it; the code 0: none. */
typedef struct FakeAgentError {
        int r;
        doorward_error_code code;
} FakeAgentError;

typedef struct FakeAgentScript {
        FakeAgentError start, ready, process, explain;
        bool slow;     /* it is not ready before fake_agent_speak(), */
        bool stubborn; /* and does not end before it */

        /* What was done. */
        char socket[128];
        doorward_auth auth;
        unsigned n_starts, n_processed, n_ended, n_freed;
} FakeAgentScript;

extern FakeAgentScript fake_agent;

/* Before and after a test. */
void fake_agent_init(void);
void fake_agent_deinit(void);

/* Has it be heard of: by any thread. */
void fake_agent_speak(void);
