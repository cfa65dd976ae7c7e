#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Traced: every system call of a function, in a process of its own
 *
 * To know that a descriptor never was without close-on-exec it is not enough to look now and then:
 * another thread can execute a program at any time. So each call that makes one is looked at,
 * between two of traced_mark(), and each signal that the process gets.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct Traced {
        pid_t pid;
        bool is_marked;     /* between the two */
        unsigned n_made;    /* calls that made descriptors */
        unsigned n_signals; /* that it was sent */
        int status;         /* as waitpid(2) has it */
        char problem[256];  /* the first thing that was wrong */
} Traced;

/* Starts a process that will run it, once traced_run() is called, and ends with what it returns.
 * -EPERM: here nobody may trace. */
int traced_start(Traced *traced, int (*func)(void)) _must_check_;

/* In that process: from here on, or up to here. */
void traced_mark(void);

/* Runs it to its end. */
void traced_run(Traced *traced);
