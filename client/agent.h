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
 *
 * Nothing here waits: it is started, and ready when agent_process() says so; and when it is to end,
 * agent_process() says that it has. The next agent of this process could not register before polkit
 * has forgotten this one, and a question of the next call would go to this one.
 */

#include "client/auth.h"
#include "client/wait.h"

typedef struct Agent Agent;

enum {
        _AGENT_E_WAIT, /* for what agent_wait() says */
        AGENT_E_READY, /* polkit knows it; that is told once, and first */
        AGENT_E_HEARD, /* it has said something: it is asked by polkit */
        AGENT_E_GONE,  /* it has ended: there is nothing more to wait for */
};

/* Starts it. socket is the broker's path (as wire_get_path() has it), auth is borrowed until
 * agent_free(). -errno and the error. */
int agent_start(const char *socket, const doorward_auth *auth, int64_t deadline, Agent **ret,
                doorward_error *error) _must_check_;

void agent_wait(const Agent *agent, Wait *wait);

/* Does what the agent wants now: has the callback choose a name, or goes on with a conversation.
 * AGENT_E_*. After AGENT_E_GONE go on, too, unless it was not ready before: the broker's answer may
 * not need it. -errno and the error: nothing will come of it any more, for this reason (and if it
 * was not ready, there is none: AUTH_UNAVAILABLE, with what to do about it). What polkit then
 * answers looks like a denial. It is to be ended in any case. */
int agent_process(Agent *agent, doorward_error *error) _must_check_;

/* Whether it holds a conversation, whose last words should be heard before anything is made of an
 * answer that has come from elsewhere. */
bool agent_is_conversing(const Agent *agent);

/* Whether a question was left open; and the answer to it, as conversation_answer(). */
bool agent_is_asking(const Agent *agent);
int agent_answer(Agent *agent, const doorward_credential *cred, doorward_error *error) _must_check_;

/* What the agent knows of why it failed, or that it has ended: true and *error if that says more
 * than polkit's answer. */
bool agent_explain(const Agent *agent, doorward_error *error);

/* Has it end, and its registration with polkit: agent_process() then says AGENT_E_GONE, after
 * some seconds at the latest. */
void agent_end(Agent *agent);

/* Leaves it, which it ends by itself then. Takes NULL, returns NULL. */
Agent *agent_free(Agent *agent);

/* Frees without a word to it: what a child process does with its copy of the parent's. */
Agent *agent_free_copy(Agent *agent);

DEFINE_CLEANUP(Agent *, agent_free);
