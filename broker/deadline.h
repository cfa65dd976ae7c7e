#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Deadline: a timer that is cheap to put off
 *
 * Most deadlines are set, and met long before, thousands of times a second. To tell the kernel each
 * time costs more than it does to find, once in seconds, that a timer went off too early. So a
 * deadline that is put off or lifted leaves the timer as it is; only one that comes nearer sets it.
 */

#include <systemd/sd-event.h>

#include "common/macros.h"

/* It has passed. The deadline is lifted before the call, in which everything may be freed. */
typedef void (*DeadlineFunc)(void *userdata);

typedef struct Deadline {
        sd_event *event; /* borrowed */
        DeadlineFunc func;
        void *userdata;
        sd_event_source *source; /* made when it is first set */
        uint64_t end;            /* UINT64_MAX: there is none */
        uint64_t armed;          /* when the timer goes off; UINT64_MAX: it does not */
} Deadline;

void deadline_init(Deadline *deadline, sd_event *event, DeadlineFunc func, void *userdata);
void deadline_deinit(Deadline *deadline);

/* Sets it, in µs of CLOCK_MONOTONIC, or so long after now. -ENOMEM and such. */
int deadline_set(Deadline *deadline, uint64_t end);
int deadline_set_relative(Deadline *deadline, uint64_t usec);
void deadline_lift(Deadline *deadline);

static inline bool deadline_is_set(const Deadline *deadline) {
        return deadline->end != UINT64_MAX;
}
