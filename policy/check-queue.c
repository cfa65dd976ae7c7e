/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "policy/check-queue.h"

/* A uid that nobody has. */
#define LANE_OF_RECHECKS ((uid_t)-2)

typedef struct Lane Lane;

/* The waiting requests of one uid, the oldest first, and how many of its are in flight. */
struct Lane {
        Lane *next; /* CheckQueue::lanes, in turn: the first is served next */
        uid_t uid;
        unsigned in_flight;
        CheckRequest *first, *last;
};

struct CheckQueue {
        sd_event *event;
        Authority *authority;
        CheckLimits limits;
        Lane *lanes;
        unsigned in_flight;
        unsigned interactive;
};

struct CheckRequest {
        CheckQueue *queue;
        Lane *lane;            /* NULL if interactive */
        CheckRequest *next;    /* Lane::first, while it waits */
        AuthorityCheck *check; /* while it is in flight */
        AuthorityQuestion question;
        int error; /* asking failed: the answer comes from the loop */
        sd_event_source *timer;
        AuthorityAnswerFunc func;
        void *userdata;
};

static void queue_pump(CheckQueue *queue);

static CheckRequest *request_free(CheckRequest *request) {
        sd_event_source_disable_unref(request->timer);
        free(request);
        return NULL;
}
DEFINE_CLEANUP(CheckRequest *, request_free);

/* Lanes. */

static Lane *lane_find(CheckQueue *queue, uid_t uid) {
        Lane **p = &queue->lanes;

        while (*p && (*p)->uid != uid)
                p = &(*p)->next;

        if (!*p) {
                *p = calloc(1, sizeof(**p));
                if (*p)
                        (*p)->uid = uid;
        }

        return *p;
}

static void lane_append(Lane *lane, CheckRequest *request) {
        if (lane->last)
                lane->last->next = request;
        else
                lane->first = request;
        lane->last = request;
}

static void lane_remove(Lane *lane, CheckRequest *request) {
        CheckRequest **p = &lane->first, *previous = NULL;

        while (*p && *p != request) {
                previous = *p;
                p = &(*p)->next;
        }
        if (!*p)
                return;

        *p = request->next;
        if (lane->last == request)
                lane->last = previous;
        request->next = NULL;
}

static void lane_drop_if_empty(CheckQueue *queue, Lane *lane) {
        Lane **p = &queue->lanes;

        if (lane->first || lane->in_flight > 0)
                return;

        while (*p != lane)
                p = &(*p)->next;
        *p = lane->next;
        free(lane);
}

/* Puts a lane behind the others: it had its turn. */
static void lane_rotate(CheckQueue *queue, Lane *lane) {
        Lane **p = &queue->lanes;

        while (*p != lane)
                p = &(*p)->next;
        *p = lane->next;
        lane->next = NULL;

        for (p = &queue->lanes; *p; p = &(*p)->next)
                ;
        *p = lane;
}

/* How many may be in flight of a uid when no other waits. */
static unsigned queue_alone(const CheckQueue *queue) {
        unsigned half = (queue->limits.in_flight + 1) / 2;

        return half > queue->limits.per_uid ? half : queue->limits.per_uid;
}

/* Whose turn it is, if anybody's. */
static Lane *queue_find_turn(CheckQueue *queue) {
        Lane *only = NULL;
        unsigned waiting = 0;

        for (Lane *lane = queue->lanes; lane; lane = lane->next)
                if (lane->first)
                        waiting++;

        for (Lane *lane = queue->lanes; lane; lane = lane->next) {
                if (!lane->first)
                        continue;
                if (lane->in_flight < queue->limits.per_uid)
                        return lane;
                if (waiting == 1 && lane->in_flight < queue_alone(queue))
                        only = lane;
        }

        return only;
}

/* Requests. */

/* Takes the request out of the queue, wherever it stands. */
static void request_unlink(CheckRequest *request) {
        CheckQueue *queue = request->queue;
        Lane *lane = request->lane;

        if (!lane) {
                queue->interactive--;
                return;
        }

        if (request->check || request->error < 0) {
                lane->in_flight--;
                queue->in_flight--;
        } else
                lane_remove(lane, request);
        lane_drop_if_empty(queue, lane);
        request->lane = NULL;
}

static void request_answer(CheckRequest *request, const AuthorityAnswer *answer) {
        AuthorityAnswerFunc func = request->func;
        CheckQueue *queue = request->queue;
        void *userdata = request->userdata;

        request_unlink(request);
        request_free(request);
        queue_pump(queue);

        /* Careful: the queue may be gone after this. */
        func(answer, userdata);
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        request_answer(userdata, answer);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        CheckRequest *request = userdata;
        AuthorityAnswer answer = {
                .failure = AUTHORITY_TIMED_OUT,
                .decision = DECISION_DENIED,
                .text = "no answer in time",
        };

        if (request->error < 0) {
                answer.failure = AUTHORITY_UNAVAILABLE;
                answer.text = strerror(-request->error);
        }
        if (request->check)
                authority_cancel(request->queue->authority, request->check);

        request_answer(request, &answer);
        return 0;
}

static void request_start(CheckRequest *request) {
        CheckQueue *queue = request->queue;
        int r;

        r = authority_ask(queue->authority, &request->question, on_answer, request,
                          &request->check);
        if (r >= 0)
                return;

        /* The timer that is there anyway brings the answer, at once. */
        request->error = r;
        (void)sd_event_source_set_time(request->timer, 0);
}

/* An authority answers from the loop only, so nothing comes back from in here. */
static void queue_pump(CheckQueue *queue) {
        Lane *lane;

        while (queue->in_flight < queue->limits.in_flight && (lane = queue_find_turn(queue))) {
                CheckRequest *request = lane->first;

                lane_remove(lane, request);
                lane->in_flight++;
                queue->in_flight++;
                lane_rotate(queue, lane);
                request_start(request);
        }
}

int check_queue_new(sd_event *event, Authority *authority, const CheckLimits *limits,
                    CheckQueue **ret) {
        CheckQueue *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return -ENOMEM;

        queue->event = sd_event_ref(event);
        queue->authority = authority;
        queue->limits = *limits;
        *ret = queue;
        return 0;
}

CheckQueue *check_queue_free(CheckQueue *queue) {
        if (!queue)
                return NULL;

        assert(!queue->lanes && queue->interactive == 0);
        sd_event_unref(queue->event);
        free(queue);
        return NULL;
}

int check_queue_submit(CheckQueue *queue, const AuthorityQuestion *question, uint64_t usec,
                       AuthorityAnswerFunc func, void *userdata, CheckRequest **ret) {
        _cleanup_(request_freep) CheckRequest *request = calloc(1, sizeof(*request));
        int r;

        if (!request)
                return -ENOMEM;
        if (question->interactive && queue->interactive >= queue->limits.interactive)
                return -EBUSY;

        r = sd_event_add_time_relative(queue->event, &request->timer, CLOCK_MONOTONIC, usec, 0,
                                       on_timer, request);
        if (r < 0)
                return r;

        request->queue = queue;
        request->question = *question;
        request->func = func;
        request->userdata = userdata;

        if (question->interactive) {
                queue->interactive++;
                request_start(request);
        } else {
                request->lane = lane_find(queue, question->is_recheck ? LANE_OF_RECHECKS
                                                                      : question->peer_uid);
                if (!request->lane)
                        return -ENOMEM;
                lane_append(request->lane, request);
                queue_pump(queue);
        }

        *ret = TAKE_PTR(request);
        return 0;
}

CheckRequest *check_request_cancel(CheckRequest *request) {
        CheckQueue *queue;

        if (!request)
                return NULL;

        queue = request->queue;
        if (request->check)
                authority_cancel(queue->authority, request->check);
        request_unlink(request);
        queue_pump(queue);
        return request_free(request);
}

bool check_queue_is_waited_for(const CheckQueue *queue) {
        for (const Lane *lane = queue->lanes; lane; lane = lane->next)
                if (lane->first)
                        return true;

        return false;
}
