#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wait: what something that goes on by itself waits for
 *
 * Whatever takes time in the library (an open, its agent, a conversation) is a machine that never
 * waits: it does what can be done now, and says what must happen before there is more to do. A
 * program with a loop of its own waits for that among other things, through one descriptor; a call
 * that blocks is the same machine, and poll(2).
 *
 * That descriptor is an epoll(7), made when it is asked for. What it watches comes and goes, and is
 * closed by its owners, who know nothing of it; a number may then be another's, and a copy in a
 * forked child would keep what was closed alive in it. So everything in it is good for one event,
 * and armed anew after each step: what is left behind is heard of once at most.
 */

#include <poll.h>

#include "common/macros.h"

#define WAIT_FDS_MAX 4U

typedef struct Wait {
        struct pollfd fds[WAIT_FDS_MAX];
        nfds_t n_fds;
        int64_t deadline; /* channel_deadline()'s */
} Wait;

/* Nothing, for ever. */
void wait_init(Wait *wait);

/* Or this: hang-ups are waited for in any case. A descriptor that is none is ignored. */
void wait_add_fd(Wait *wait, int fd, short events);

/* Or that it is so late. */
void wait_add_deadline(Wait *wait, int64_t deadline);

/* The deadline as programs have it: 1 and µs of CLOCK_MONOTONIC, or 0, and the largest number. */
int wait_get_timeout(const Wait *wait, long long *ret);

/* Blocks. 0 once something may have happened, also a signal; -errno. */
int wait_block(Wait *wait) _must_check_;

/* A descriptor to wait with, above 2, or -errno; and has it be readable once one of the descriptors
 * is ready. -errno: it may not be. */
int wait_fd_new(void) _must_check_;
int wait_fd_arm(int epoll_fd, const Wait *wait) _must_check_;
