#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Child: the command that `doorward exec` or `run` runs (or another process of ours), and how its
 * parent stands aside
 *
 * The command stays in our process group, so that a pipeline, a terminal and a shell's job control
 * see one job. What the terminal sends (^C, ^\, ^Z, a changed size) goes to the whole foreground
 * group and has reached the command already: it is not sent on. What another process sent to us
 * alone is. A signal's sender tells the two apart: the kernel for the terminal, or a member of our
 * own group, which sent it to all of the group.
 *
 * What came while there was no command yet is for it in any case: it is held until it has that.
 *
 * When the command stops, we stop, so that the shell sees the job stop; when we are continued, so
 * is it. We stop as job control has it, by SIGTSTP also where the command was stopped by SIGSTOP:
 * where no shell watches over our group, we do not. Signals are taken through a signalfd; the
 * command gets the mask and the dispositions that we were started with.
 *
 * Between the command's stop and ours somebody may continue us both, and that is not to be lost. A
 * signal that stops takes back SIGCONT where that was not read yet, and SIGCONT takes back all that
 * stop; so there always is one of these, blocked, which is never read: the guard. It is gone where
 * we were continued since it was set.
 */

#include <signal.h>
#include <sys/types.h>

#include "common/macros.h"

typedef struct Child {
        pid_t pid; /* 0 before it runs, and after it has ended */
        bool has_ended;
        int status; /* waitpid(2)'s, then */
        int signal_fd;
        sigset_t mask;                 /* as we were started */
        struct sigaction child_action; /* of SIGCHLD, likewise */
} Child;

#define CHILD_NULL \
        { .signal_fd = -EBADF }

typedef struct ChildSpec {
        char **words; /* the command, searched for in PATH */
        const int *sources, *numbers;
        size_t n_fds;
        size_t n_listen;          /* 0: LISTEN_FDS is not set */
        const char *names;        /* LISTEN_FDNAMES */
        char *const *environment; /* NAME=value, besides what there is; ended by NULL, or NULL */
} ChildSpec;

/* Takes the signals, which child_fork() does else: none ends us any more (cli/signals.h), and what
 * comes before there is a command is then sent on to it. -errno. */
int child_prepare(Child *child) _must_check_;

/* Takes the signals and forks: 0 in the child, whose signals are as they were before; its number,
 * or -errno. It is followed by child_dispatch(), too. */
pid_t child_fork(Child *child) _must_check_;

/* Runs the command. 0, or -errno; *ret_exec is true if it was execvp(3) that failed. */
int child_start(Child *child, const ChildSpec *spec, bool *ret_exec) _must_check_;

/* To poll for input, then child_dispatch(). */
static inline int child_get_fd(const Child *child) {
        return child->signal_fd;
}

/* Forwards what is to be forwarded and follows the command. 1 and *ret_status (waitpid(2)'s) once
 * it has ended, else 0, or -errno. */
int child_dispatch(Child *child, int *ret_status) _must_check_;

void child_deinit(Child *child);

/* A signal that came to us: signalfd(2)'s words. */
typedef struct ChildSignal {
        int number;
        int code;
        pid_t sender;
        pid_t sender_group; /* -1 if it has ended */
} ChildSignal;

/* Whether it is to be sent on to the command, for the process and the group that we are. */
bool child_forwards(const ChildSignal *received, pid_t child, pid_t own_group, bool session_leader);
