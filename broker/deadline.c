/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "broker/deadline.h"

/* 0 would be a quarter of a second. */
#define ACCURACY_USEC 1000

void deadline_clock_init(DeadlineClock *clock, sd_event *event) {
        *clock = (DeadlineClock){.event = event, .armed = UINT64_MAX};
}

void deadline_clock_deinit(DeadlineClock *clock) {
        assert(!clock->first);
        clock->source = sd_event_source_disable_unref(clock->source);
        clock->armed = UINT64_MAX;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

/* Sees to it that the timer does not go off after the first one's end. */
static int clock_arm(DeadlineClock *clock) {
        int r;

        if (!clock->first || clock->first->end >= clock->armed)
                return 0;

        r = clock->source ? sd_event_source_set_time(clock->source, clock->first->end)
                          : sd_event_add_time(clock->event, &clock->source, CLOCK_MONOTONIC,
                                              clock->first->end, ACCURACY_USEC, on_time, clock);
        if (r >= 0)
                r = sd_event_source_set_enabled(clock->source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        clock->armed = clock->first->end;
        return 0;
}

/* One a turn: others have their turn, too, and the call can free whatever would come next. */
static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        DeadlineClock *clock = userdata;
        Deadline *deadline = clock->first;
        uint64_t now;
        int r;

        clock->armed = UINT64_MAX;
        r = sd_event_now(clock->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;

        if (deadline && deadline->end <= now) {
                deadline_lift(deadline);
                deadline->func(deadline->userdata);
        }

        return clock_arm(clock);
}

void deadline_init(Deadline *deadline, DeadlineClock *clock, DeadlineFunc func, void *userdata) {
        *deadline = (Deadline){
                .clock = clock,
                .func = func,
                .userdata = userdata,
                .end = UINT64_MAX,
        };
}

/* Most are set to about the same time after now: its place is near the end. */
static void deadline_link(Deadline *deadline) {
        DeadlineClock *clock = deadline->clock;
        Deadline *previous = clock->last;

        while (previous && previous->end > deadline->end)
                previous = previous->previous;

        deadline->previous = previous;
        deadline->next = previous ? previous->next : clock->first;
        if (previous)
                previous->next = deadline;
        else
                clock->first = deadline;
        if (deadline->next)
                deadline->next->previous = deadline;
        else
                clock->last = deadline;
}

void deadline_lift(Deadline *deadline) {
        DeadlineClock *clock = deadline->clock;

        if (!deadline_is_set(deadline))
                return;

        if (deadline->previous)
                deadline->previous->next = deadline->next;
        else
                clock->first = deadline->next;
        if (deadline->next)
                deadline->next->previous = deadline->previous;
        else
                clock->last = deadline->previous;
        deadline->previous = deadline->next = NULL;
        deadline->end = UINT64_MAX;
}

int deadline_set(Deadline *deadline, uint64_t end) {
        deadline_lift(deadline);
        if (end == UINT64_MAX)
                return 0;

        deadline->end = end;
        deadline_link(deadline);
        return clock_arm(deadline->clock);
}

int deadline_set_relative(Deadline *deadline, uint64_t usec) {
        uint64_t now;
        int r;

        r = sd_event_now(deadline->clock->event, CLOCK_MONOTONIC, &now);
        return r < 0 ? r : deadline_set(deadline, now + usec);
}
