#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Requester: the broker, as the PAM helper sees it
 *
 * The connection is one that systemd accepted, so SO_PEERCRED names who made it: the broker's user,
 * or nobody is answered. It brings one request, and after that it is only watched: a broker that
 * hangs up has lost its client, and the helper ends in that moment, whatever module it is in. A
 * module cannot be interrupted, so that has to be the kernel's doing: by a signal.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/pam-protocol.h"

typedef struct Requester {
        int fd;
        pid_t pid;
        uid_t uid;
} Requester;

/* Looks at the connection, which stays the caller's. -EPROTOTYPE for what is none, -EPERM if it is
 * not the broker's. */
int requester_init(Requester *requester, int fd, uid_t broker) _must_check_;

/* Waits for the request and the client's connection, which is the caller's. -ETIMEDOUT, or -EBADMSG
 * for anything else than one request by whoever connected. */
int requester_receive(const Requester *requester, int patience_msec, PamRequest *ret,
                      int *ret_client) _must_check_;

/* From now on this process ends when the broker hangs up, with the exit status 0. */
int requester_watch(const Requester *requester) _must_check_;

/* Sends begun with a descriptor, which stays the caller's, or a verdict with -EBADF. */
int requester_send(const Requester *requester, const PamReply *reply, int fd) _must_check_;
