#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote link: the far side's relay, as the library hears and answers it
 *
 * Two descriptors: on the one Varlink passes, until it is the endpoint's and the program's; on the
 * other doorward-transport says what was said on standard error, and how it has ended. Of the first
 * never a byte is taken that is behind a message, since it may be the endpoint's already.
 *
 * Nothing here is believed: it comes from another machine, or from whatever stands in its place.
 * It is bounded by the framing, and nothing waits.
 */

#include "client/error.h"
#include "client/wait.h"
#include "common/conversation-protocol.h"
#include "common/relay-interface.h"
#include "common/transport-protocol.h"
#include "common/varlink.h"

typedef struct RemoteLink {
        int control;
        int data; /* taken by who has opened it */
        VarlinkInput input;
        bool silent; /* there are no more messages */
        int reason;  /* why the lease has ended there, a doorward_close_reason; or 0 */
        bool ended;  /* the transport, in this way: */
        TransportMessage end;
} RemoteLink;

#define REMOTE_LINK_NULL \
        { .control = -EBADF, .data = -EBADF }

/* Takes the descriptors. */
void remote_link_init_consume_fds(RemoteLink *link, int control, int data);

/* Hangs up, which ends the transport, whoever has copies. Of a copy in a child it does not. */
void remote_link_deinit(RemoteLink *link, bool is_copy);

/* The next message. 1 and *ret; 0: not yet; -EPIPE: there are no more; -EBADMSG, -EMSGSIZE: that is
 * none; -errno. */
int remote_link_receive(RemoteLink *link, VarlinkIncoming *ret) _must_check_;

/* What was said instead of a message, as far as it is known, for people. */
void remote_link_quote(const RemoteLink *link, char *buf, size_t size);

/* The next line of standard error that is for people: 1 and *ret; 0: not yet. News is kept in
 * reason. Once the transport has ended, ended is set, and there is no more. */
int remote_link_hear(RemoteLink *link, TransportMessage *ret) _must_check_;

/* What there is to wait for, for either. */
void remote_link_wait(const RemoteLink *link, Wait *wait);

/* Calls, by the qualified name, with upgrade. Takes the reference to parameters (NULL: no memory).
 * -errno; that nobody takes it is no failure. */
int remote_link_call(RemoteLink *link, const char *method, json_t *parameters) _must_check_;

/* Continues, with an answer, without one (NULL), or by a cancel. Nothing of the answer stays in
 * memory. -EILSEQ: it is not UTF-8, and cannot be carried. */
int remote_link_continue(RemoteLink *link, const Answer *answer) _must_check_;
