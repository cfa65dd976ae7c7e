#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Requester: what the broker asks of the PAM helper
 *
 * The connection (common/asker.h) brings one request, and after that it is only watched: a broker
 * that hangs up has lost its client, and the helper ends in that moment, whatever module it is in.
 * A module cannot be interrupted, so that has to be the kernel's doing: by a signal.
 */

#include "common/asker.h"
#include "common/macros.h"
#include "common/pam-protocol.h"

/* Waits for the request and the client's connection, which is the caller's. -ETIMEDOUT, or -EBADMSG
 * for anything else than one request by whoever connected. */
int requester_receive(const Asker *asker, int patience_msec, PamRequest *ret,
                      int *ret_client) _must_check_;

/* From now on this process ends when the broker hangs up, with the exit status 0. */
int requester_watch(const Asker *asker) _must_check_;

/* Sends begun with a descriptor, which stays the caller's, or a verdict with -EBADF. */
int requester_send(const Asker *asker, const PamReply *reply, int fd) _must_check_;
