#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Link: the agent's end of what the library and it talk over
 *
 * The library made the pair of sockets and passed one end at the start, so who it is (SO_PEERCRED)
 * is whom the agent works for. When the library hangs up, or says anything that cannot be meant,
 * all is over.
 */

#include "common/agent-protocol.h"

typedef struct AgentLink AgentLink;

typedef struct AgentLinkEvents {
        void (*answer)(const AgentAnswer *answer, void *userdata);
        void (*gone)(void *userdata); /* once, and nothing after it */
} AgentLinkEvents;

/* Takes the descriptor. -EPERM if process did not make it, or another user did; -EPROTOTYPE if it
 * is no such socket; -errno. events and userdata outlive the link. */
int agent_link_new_consume_fd(int fd, pid_t process, const AgentLinkEvents *events, void *userdata,
                              AgentLink **ret) _must_check_;
/* Takes NULL, returns NULL. */
AgentLink *agent_link_free(AgentLink *link);

/* Sends a message, with a descriptor unless that is negative. -errno: then the library is gone, or
 * does not listen. */
int agent_link_send(AgentLink *link, const AgentMessage *message, int fd);

DEFINE_CLEANUP(AgentLink *, agent_link_free);
