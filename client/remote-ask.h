#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote ask: a question to another machine, beside a connection to it
 *
 * A connection's own way there is the endpoint's. So a question has one of its own, for as long as
 * it takes, and nobody is asked anything on it: who could be has opened the connection before.
 */

#include "client/remote-link.h"
#include "client/uri.h"

/* What came on the link, for whoever talks to that side. 1 and *reply, which is in *incoming; 0:
 * not yet; -errno and the error: that was no message, or there comes to be none any more. */
int remote_take(RemoteLink *link, const Uri *uri, VarlinkIncoming *incoming, VarlinkReply *reply,
                doorward_error *error) _must_check_;

/* Asks what is answered with one member, an object: as remote_ask(), and *ret is that. */
int remote_ask_object(const Uri *uri, const char *method, const char *member, json_t **ret,
                      doorward_error *error) _must_check_;

/* Asks, and waits for the answer, for a minute at most. *ret is the reply's parameters, a reference
 * of the caller's. -errno and the error. */
int remote_ask(const Uri *uri, const char *method, json_t *parameters, json_t **ret,
               doorward_error *error) _must_check_;
