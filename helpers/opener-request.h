#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Request: one thing asked for, once its client was judged
 *
 * opener_request_begin() looks at what the definition says, finds the place and opens it. That is
 * all, and at once, but for a socket whose queue is full: such a request waits, and
 * opener_request_retry() tries again until its patience ends. One that waits holds its own
 * descriptors and nothing of the definition, which may change in the meantime.
 *
 * Who may have what was policy's question, and is not asked here. Here it is what this endpoint is.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "helpers/opener-path.h"
#include "helpers/opener-place.h"
#include "policy/definition.h"

/* How often a full queue is tried again, and for how long. */
#define OPENER_RETRY_USEC (10 * UINT64_C(1000))
#define OPENER_PATIENCE_USEC (5 * UINT64_C(1000000))

typedef struct OpenerTask {
        OpenerRequest request;
        OpenerPlace place;
        int fd; /* a socket that is not connected yet */
        uint64_t deadline;
} OpenerTask;

#define OPENER_TASK_NULL \
        { .place = OPENER_PLACE_NULL, .fd = -EBADF }

void opener_task_deinit(OpenerTask *task);

/* What the definition says about this instance and access: 0, or a refusal if it is not provided. */
int opener_request_find(const OpenerRequest *request, const Definition *definition,
                        const Target **ret, OpenerReply *reply) _must_check_;

/* Carries out a request: OPENER_OK with *ret_fd, the status of a refusal, or 0 if it has to wait;
 * task then holds what it needs for that. */
int opener_request_begin(OpenerTask *task, const OpenerRequest *request,
                         const Definition *definition, const OpenerPathRules *rules,
                         uint64_t deadline, int *ret_fd, OpenerReply *reply) _must_check_;

/* Goes on with one that waits, as above. */
int opener_request_retry(OpenerTask *task, const OpenerPathRules *rules, uint64_t now, int *ret_fd,
                         OpenerReply *reply) _must_check_;

/* By which clock all deadlines are: monotonic, in µs. */
uint64_t opener_request_now(void);

/* Sends the reply, with a descriptor unless that is negative; one that cannot be sent for now is
 * lost, and the reply says so then. 0 or -errno. */
int opener_request_answer(int fd, OpenerReply *reply, int pass_fd) _must_check_;
