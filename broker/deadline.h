#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Deadline: a timer that is cheap to set, to put off and to lift
 *
 * Most deadlines are set, and met long before, thousands of times a second. To tell the kernel each
 * time costs more than it does to find, once in seconds, that a timer went off too early: in a
 * virtual machine more than anything else that the broker asks of it. So all deadlines of an owner
 * share one timer, which is set when one comes before all others, and never taken back.
 */

#include <systemd/sd-event.h>

#include "common/macros.h"

typedef struct Deadline Deadline;

/* It has passed. The deadline is lifted before the call, in which any of them may be freed, but not
 * the clock. */
typedef void (*DeadlineFunc)(void *userdata);

/* The timer. */
typedef struct DeadlineClock {
        sd_event *event;         /* borrowed */
        sd_event_source *source; /* made when it is first needed */
        uint64_t armed;         /* when it goes off: not after the first; UINT64_MAX: it does not */
        Deadline *first, *last; /* those that are set, in the order of their ends */
} DeadlineClock;

struct Deadline {
        DeadlineClock *clock; /* borrowed */
        DeadlineFunc func;
        void *userdata;
        uint64_t end; /* UINT64_MAX: there is none */
        Deadline *previous, *next;
};

void deadline_clock_init(DeadlineClock *clock, sd_event *event);
/* None of its deadlines may be set any more. */
void deadline_clock_deinit(DeadlineClock *clock);

void deadline_init(Deadline *deadline, DeadlineClock *clock, DeadlineFunc func, void *userdata);

/* Sets it, in µs of CLOCK_MONOTONIC, or so long after now. -ENOMEM and such. */
int deadline_set(Deadline *deadline, uint64_t end);
int deadline_set_relative(Deadline *deadline, uint64_t usec);
/* Whoever frees one lifts it before. */
void deadline_lift(Deadline *deadline);

static inline bool deadline_is_set(const Deadline *deadline) {
        return deadline->end != UINT64_MAX;
}
