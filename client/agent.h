#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Agent: doorward-agent, started for this process
 *
 * polkit asks for passwords through an authentication agent. Where there is none (over ssh, in a
 * service, on a console), the library starts one for its own process: doorward-agent, a child of
 * nobody (a double fork, so that the host program never sees it), which registers with polkit and
 * passes the conversations that polkit wants on to the library, to be held with the callback. An
 * agent of the user's session, if there is one, is asked by polkit in its place.
 *
 * Library and agent talk over a pair of sockets that the library makes: see
 * common/agent-protocol.h. When either end hangs up the other gives up, so no prompt and no process
 * stays behind.
 */

#include "client/auth.h"

typedef struct Agent Agent;

enum {
        _AGENT_E_SUCCESS,
        AGENT_E_GONE, /* it has ended: there is nothing more to poll for */
};

/* Starts it and waits until polkit knows it. socket is the broker's path (as wire_get_path() has
 * it), auth is borrowed until agent_free(). -errno and the error (AUTH_UNAVAILABLE, with what to do
 * about it). */
int agent_start(const char *socket, const doorward_auth *auth, int64_t deadline, Agent **ret,
                doorward_error *error) _must_check_;

/* To poll for input while the broker is waited for. Borrowed. */
int agent_get_fd(const Agent *agent);

/* Does what the agent wants now: has the callback choose a name, or holds a conversation, which can
 * take as long as a person takes. 0: go on and wait. AGENT_E_GONE: go on, too; the broker's answer
 * may not need it. -errno and the error: nothing will come of it any more, for this reason. (What
 * polkit then answers looks like a denial.) */
int agent_process(Agent *agent, int64_t deadline, doorward_error *error) _must_check_;

/* What the agent knows of why it failed, or that it has ended: true and *error if that says more
 * than polkit's answer. */
bool agent_explain(const Agent *agent, doorward_error *error);

/* Ends it, and its registration with polkit. Takes NULL, returns NULL. */
Agent *agent_free(Agent *agent);

DEFINE_CLEANUP(Agent *, agent_free);
