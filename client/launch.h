#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Launch: starts a program that the host program never gets to know of
 *
 * The library lives in somebody else's process, which may have threads, handlers, children of its
 * own that it waits for, or none and ignores SIGCHLD. So what is started is the child of a child
 * that has ended: nobody's. The child in between sends no SIGCHLD when it ends, and no wait(2) but
 * ours sees it. (A process that takes in orphans, see PR_SET_CHILD_SUBREAPER, gets this one, too.)
 *
 * The program gets some descriptors, as numbers 3 and up, and nothing else of the process: standard
 * streams are /dev/null, every signal is as in a fresh process, the folder is /, and the session is
 * a new one without a terminal. But a program that is to ask on the terminal of whoever uses this
 * one has to stay in its session, and then keeps its folder, too.
 */

#include "common/macros.h"

#define LAUNCH_FD 3
#define LAUNCH_FDS_MAX 4U

typedef struct LaunchSpec {
        const char *program; /* its path */
        char *const *arguments;
        char *const *environment;
        bool stays; /* in the session and the folder */
        /* Sent over the first descriptor if the program cannot be executed. */
        const void *last_words;
        size_t n_last_words;
} LaunchSpec;

/* Take the descriptors, all above 2. 0 once it is on its way, which it may still fail on; -errno.
 */
int launch_consume_fds(const LaunchSpec *spec, const int *fds, size_t n) _must_check_;

static inline int launch_consume_fd(const LaunchSpec *spec, int fd) {
        return launch_consume_fds(spec, &fd, 1);
}
