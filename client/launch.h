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
 * The program gets one descriptor, as number 3, and nothing else of the process: standard streams
 * are /dev/null, every signal is as in a fresh process, the folder is /, and the session is a new
 * one without a terminal.
 */

#include "common/macros.h"

#define LAUNCH_FD 3

typedef struct LaunchSpec {
        const char *program; /* its path */
        char *const *arguments;
        char *const *environment;
        /* Sent over the descriptor if the program cannot be executed. */
        const void *last_words;
        size_t n_last_words;
} LaunchSpec;

/* Takes the descriptor, which is above 2. 0 once it is on its way, which it may still fail on;
 * -errno. */
int launch_consume_fd(const LaunchSpec *spec, int fd) _must_check_;
