#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Check queue: few checks at a time, fair by uid
 *
 * polkitd is one thread and takes about a millisecond a check, for the whole system: more than a
 * few in flight only queue there, where nobody is fair. So they queue here. Each uid has a lane;
 * lanes take turns; one uid has at most per_uid checks in flight while another waits, and half of
 * all there are when nobody does: that keeps polkit busy, and whoever comes then has little before
 * them.
 *
 * A check that may prompt waits for a person, for minutes, and loads nobody meanwhile. Those do not
 * take the places of the others; they have their own, far below the 128 replies that the bus lets
 * one connection wait for.
 *
 * A request's time runs from when it is submitted: who waits behind a hung polkit gets an answer in
 * time too.
 */

#include <systemd/sd-event.h>

#include "policy/authority.h"

typedef struct CheckQueue CheckQueue;
typedef struct CheckRequest CheckRequest;

typedef struct CheckLimits {
        unsigned in_flight;   /* checks without prompts, in all */
        unsigned per_uid;     /* of one uid while another waits */
        unsigned interactive; /* checks that may prompt, in all */
} CheckLimits;

int check_queue_new(sd_event *event, Authority *authority, const CheckLimits *limits,
                    CheckQueue **ret) _must_check_;

/* Every request must have been answered or cancelled. Returns NULL. */
CheckQueue *check_queue_free(CheckQueue *queue);

/* Queues a question. What it points to must stay as it is, and the pidfd open, until it is answered
 * or withdrawn. func is called once, from the loop, and the request is gone then. AUTHORITY_TIMED_OUT
 * comes after usec, and the question is withdrawn. -errno. */
int check_queue_submit(CheckQueue *queue, const AuthorityQuestion *question, uint64_t usec,
                       AuthorityAnswerFunc func, void *userdata, CheckRequest **ret) _must_check_;

/* Withdraws a request; func is not called. NULL is fine. Returns NULL. */
CheckRequest *check_request_cancel(CheckRequest *request);

/* Whether any request waits for others to be answered. */
bool check_queue_is_waited_for(const CheckQueue *queue);

DEFINE_CLEANUP(CheckQueue *, check_queue_free);
