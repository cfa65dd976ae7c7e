#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Listener: what polkit knows of the agent
 *
 * Registered for one process. polkit sends it every question about that process, of whatever
 * service: it answers those about doorward's actions, which the library has asked for, one at a
 * time, and dismisses the others, since whoever is prompted expects nothing else.
 */

#define POLKIT_AGENT_I_KNOW_API_IS_SUBJECT_TO_CHANGE
#include <polkitagent/polkitagent.h>

#include "helpers/agent-request.h"

typedef struct AgentListener AgentListener;

/* Owned as every GObject. link and socket outlive it. */
AgentListener *agent_listener_new(AgentLink *link, const char *socket, bool by_session);

/* Of the library. */
void agent_listener_answer(AgentListener *listener, const AgentAnswer *answer);

/* Tells polkit. As long as the process runs that it is about, and the listener was not stopped. */
bool agent_listener_register(AgentListener *listener, pid_t process, uint64_t start_time,
                             GError **error) _must_check_;

/* Gives up what is under way and has polkit forget the agent. */
void agent_listener_stop(AgentListener *listener);
