#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote error: what the far side and the way to it fail with, for people
 *
 * Errors of the far side's broker keep their class, their hint and all else; every text of theirs
 * has the name of that side before it. Errors of the way there say what ssh said.
 */

#include "client/remote-program.h"
#include "common/transport-protocol.h"
#include "common/varlink.h"

/* Fills error from an error reply. -EREMOTEIO. */
int remote_fail_refused(const Uri *uri, const VarlinkReply *reply, doorward_error *error);

/* What completes "user@host: ..."; -EBADMSG. */
int remote_fail_protocol(const Uri *uri, const char *what, doorward_error *error);

/* That it said something that is no answer, which is quoted unless it is empty; -EBADMSG. */
int remote_fail_garbage(const Uri *uri, const char *quote, doorward_error *error);

/* How the transport ended before there was an answer; NULL: without a word. -ECONNABORTED. */
int remote_fail_ended(const Uri *uri, const TransportMessage *end, doorward_error *error);

/* -ETIMEDOUT. */
int remote_fail_late(const Uri *uri, doorward_error *error);
