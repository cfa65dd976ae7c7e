#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Conversation: one request to the PAM helper
 *
 * A process of root's, started by systemd for this one request, talks to the client over a pair of
 * sockets that it makes itself; what it asks and what it is told never comes by here. The broker
 * passes the client's end on, and waits for the verdict.
 *
 * systemd listens for the helper, so SO_PEERCRED says nothing of it: what counts is who sent each
 * message, which the kernel says, and it must be root. Without a verdict nothing was proven. To
 * hang up is to end the helper, whatever a module of PAM is doing.
 *
 * begun is called at most once, then done exactly once, both from the loop, unless it is cancelled.
 */

#include <systemd/sd-event.h>

#include "broker/user.h"
#include "common/pam-protocol.h"

typedef struct Conversation Conversation;

/* The client's end has come; it is the function's now. */
typedef void (*ConversationBegunFunc)(int fd, void *userdata);

/* It is over, and the object gone; begun is whether the client could talk to PAM. error is 0 and
 * verdict what the helper said; or a positive errno: ETIMEDOUT, or why the helper could not be
 * asked or did not answer. */
typedef void (*ConversationDoneFunc)(bool begun, int error, const PamReply *verdict,
                                     void *userdata);

/* All of them. */
typedef struct Conversations {
        sd_event *event;
        char *path;   /* where the helper listens */
        uid_t helper; /* as whom it answers: 0 but for tests */
        unsigned max; /* each is a process */
        unsigned n;
        Conversation *leaving; /* cancelled, and not yet at its end */
} Conversations;

void conversations_deinit(Conversations *conversations);

/* Whether somebody listens, so that one can be begun. */
bool conversations_are_served(const Conversations *conversations);

/* client_fd is the client's own connection, borrowed: the helper reads from it who the client is.
 * It takes usec at most. -errno, -EUSERS if there are as many as there may be. */
int conversation_begin(Conversations *all, const PamRequest *request, int client_fd, uint64_t usec,
                       ConversationBegunFunc begun, ConversationDoneFunc done, void *userdata,
                       Conversation **ret) _must_check_;

/* Whether the client could talk to PAM by now. */
bool conversation_has_begun(const Conversation *conversation);

/* Hangs up; neither function is called any more. The helper ends at once, or, if something was
 * tried, once PAM's delay is over: until then it counts among all, and the charge stays with it
 * (NULL: there is none), so that hanging up is no way to the next attempt. conversation may be
 * NULL. Returns NULL. */
Conversation *conversation_cancel(Conversation *conversation, UserCharge *charge);
