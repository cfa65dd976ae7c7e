#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Event: something that happened, as the broker tells it
 *
 * The interface's type Event, read with its types checked, and the line that people get of it. What
 * was granted, refused and ended is the broker's word: a later one may know more.
 */

#include <jansson.h>
#include <stdio.h>

#include "common/macros.h"

typedef struct Event {
        const char *event; /* texts are borrowed */
        const char *endpoint;
        const char *outcome;
        const char *lease; /* NULL: it is about none */
        const char *request;
        const char *connect_as; /* NULL if it is not told */
        int64_t time;
        int64_t uid;
        int64_t pid;
        int access; /* an Access */
} Event;

/* -EBADMSG. */
int event_read(const json_t *object, Event *ret) _must_check_;

void event_print_headings(FILE *f);
/* One line. */
void event_print(const Event *event, FILE *f);
