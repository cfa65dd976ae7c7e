#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Worker: a process that opens one thing as the user who asks (ConnectAs=client)
 *
 * The opener itself can become anybody, and for that reason does nothing else: it walks no path,
 * and reaches no service. For each request it forks a process that becomes the client for good,
 * walks, opens or connects, says what came of it, and ends. It holds one socket to the opener, and
 * "/".
 *
 * Its user cannot look into it (see opener-identity.h), and can end it or hold it up. Neither harms
 * anybody else: the opener waits so long and no longer; and by a timer that was set before it
 * became that user the kernel ends it, also one that is stopped, which no signal of the opener's
 * could. (One that a driver holds in open(2), where no signal reaches it, has its place until
 * then.)
 *
 * What it brings is judged again, by its kind, its file system and who made the service's socket,
 * as if it had been taken over all the same.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "helpers/opener-path.h"
#include "policy/definition.h"

/* How long it is waited for beyond the patience with a full queue, and when it ends then. Within
 * what the broker waits for an opener. */
#define OPENER_WORKER_GRACE_USEC (500 * UINT64_C(1000))
#define OPENER_WORKER_END_USEC (1000 * UINT64_C(1000))

typedef struct OpenerWorker {
        int fd; /* where it answers, and which it hangs up by ending; none: there is no worker */
        pid_t pid;
        uid_t uid;
        Access access;
        Kind kind;
        uint64_t deadline;
} OpenerWorker;

#define OPENER_WORKER_NULL \
        { .fd = -EBADF }

/* It goes on to its end. */
void opener_worker_deinit(OpenerWorker *worker);

/* Starts one for this request of this uid, which has until deadline (monotonic, in µs) for a
 * service whose queue is full. Children have to be reaped by the kernel (SIGCHLD ignored). 0, or a
 * refusal. */
int opener_worker_start(OpenerWorker *worker, const OpenerRequest *request,
                        const Definition *definition, const OpenerPathRules *rules, uid_t uid,
                        uint64_t deadline, OpenerReply *reply) _must_check_;

/* What it says: OPENER_OK with *ret_fd, the status of a refusal, or 0 for nothing yet. */
int opener_worker_receive(OpenerWorker *worker, const Definition *definition,
                          const OpenerPathRules *rules, int *ret_fd,
                          OpenerReply *reply) _must_check_;

/* The refusal for one that has not answered by its deadline. */
int opener_worker_expire(const OpenerWorker *worker, OpenerReply *reply) _must_check_;
