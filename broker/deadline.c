/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/deadline.h"

/* 0 would be a quarter of a second. */
#define ACCURACY_USEC 1000

void deadline_init(Deadline *deadline, sd_event *event, DeadlineFunc func, void *userdata) {
        *deadline = (Deadline){
                .event = event,
                .func = func,
                .userdata = userdata,
                .end = UINT64_MAX,
                .armed = UINT64_MAX,
        };
}

void deadline_deinit(Deadline *deadline) {
        deadline->source = sd_event_source_disable_unref(deadline->source);
        deadline->end = deadline->armed = UINT64_MAX;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

static int deadline_arm(Deadline *deadline) {
        int r;

        if (deadline->end >= deadline->armed)
                return 0;

        r = deadline->source
                    ? sd_event_source_set_time(deadline->source, deadline->end)
                    : sd_event_add_time(deadline->event, &deadline->source, CLOCK_MONOTONIC,
                                        deadline->end, ACCURACY_USEC, on_time, deadline);
        if (r >= 0)
                r = sd_event_source_set_enabled(deadline->source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        deadline->armed = deadline->end;
        return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        Deadline *deadline = userdata;
        uint64_t now;
        int r;

        deadline->armed = UINT64_MAX;
        r = sd_event_now(deadline->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;

        if (deadline->end > now)
                return deadline_arm(deadline);

        deadline->end = UINT64_MAX;
        deadline->func(deadline->userdata);
        return 0;
}

int deadline_set(Deadline *deadline, uint64_t end) {
        deadline->end = end;
        return deadline_arm(deadline);
}

int deadline_set_relative(Deadline *deadline, uint64_t usec) {
        uint64_t now;
        int r;

        r = sd_event_now(deadline->event, CLOCK_MONOTONIC, &now);
        return r < 0 ? r : deadline_set(deadline, now + usec);
}

void deadline_lift(Deadline *deadline) {
        deadline->end = UINT64_MAX;
}
