#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loop: what a command waits with that serves many at once
 *
 * An epoll(7), with a function for each descriptor in it. What waits for a time says so to whoever
 * turns the loop. A source may be removed, and what holds it freed, by any function that the loop
 * calls: what was heard of it in the same turn is then forgotten.
 */

#include <sys/epoll.h>

#include "common/macros.h"

#define LOOP_EVENTS_MAX 64U

typedef struct Loop Loop;
typedef struct Source Source;

typedef void (*SourceFunc)(Source *source, uint32_t events);

struct Source {
        Loop *loop; /* NULL: in none */
        int fd;     /* borrowed */
        uint32_t events;
        SourceFunc func;
        void *userdata;
};

struct Loop {
        int epoll_fd;
        struct epoll_event heard[LOOP_EVENTS_MAX]; /* of the turn under way, */
        int n_heard, next;                         /* and what of it is still to be told */
};

#define LOOP_NULL \
        { .epoll_fd = -EBADF }

/* -errno. */
int loop_init(Loop *loop) _must_check_;
void loop_deinit(Loop *loop);

/* Has func called with what happens to the descriptor; events are epoll's, EPOLLET too. The source
 * is the caller's, and stays where it is until it is removed. -errno. */
int loop_add(Loop *loop, Source *source, int fd, uint32_t events, SourceFunc func,
             void *userdata) _must_check_;

/* Others from now on; what is the case already is told again. -errno. */
int source_change(Source *source, uint32_t events) _must_check_;

/* Before the descriptor is closed. One that is in no loop is left alone. */
void source_remove(Source *source);

/* Waits until something happens, or until then (channel_deadline()'s), and tells everybody whom it
 * is about. -errno. */
int loop_turn(Loop *loop, int64_t deadline) _must_check_;

/* Lets this process have as many descriptors as it may: of a service's clients, each takes two. */
void loop_raise_limit(void);
