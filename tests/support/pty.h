#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PTY: a terminal with somebody in front of it, for unit tests
 *
 * A test is the person: it types and reads on the master's side. On the other side there are a
 * shell, which leads the session and does what shells do about jobs, and the job, a process that
 * runs a function of the test and reports what came of it. Nothing waits for longer than
 * PTY_TIMEOUT_MS.
 */

#include <sys/types.h>
#include <termios.h>

#include "common/macros.h"

#define PTY_TIMEOUT_MS 5000

typedef struct PtyOutcome {
        int r;
        int code;
        int number; /* whatever the job counted */
        char text[4200];
} PtyOutcome;

typedef void (*PtyJob)(PtyOutcome *outcome, void *userdata);

typedef enum PtyPlace {
        PTY_FOREGROUND = 1,
        PTY_BACKGROUND,
        PTY_ELSEWHERE, /* in a session without a terminal */
} PtyPlace;

typedef struct Pty {
        int master;
        int keep;             /* the other side, so that it does not hang up between two jobs */
        struct termios modes; /* at the beginning */
        pid_t shell;
        pid_t job;
        int orders, news, outcome, streams;
        bool may_speak;     /* the job may write to its standard streams: */
        char said[4096];    /* what it has written there */
        char output[65536]; /* since pty_forget() */
        size_t n;
} Pty;

/* Opens the terminal. */
void pty_init(Pty *pty);
/* Starts a shell and a job, which waits for pty_go(). */
void pty_start(Pty *pty, PtyPlace place, PtyJob job, void *userdata);
void pty_go(Pty *pty);

void pty_type_bytes(Pty *pty, const char *data, size_t n);
void pty_type(Pty *pty, const char *text);
/* Waits until that text is on the screen; pty_forget() wipes what was there before. */
void pty_expect(Pty *pty, const char *text);
void pty_forget(Pty *pty);
/* Takes whatever is there. */
void pty_look(Pty *pty);

/* Waits until what is typed is shown, or is not. */
void pty_expect_echo(Pty *pty, bool on);
/* The terminal is as it was in the beginning. */
void pty_check_modes(Pty *pty);
void pty_set_modes(Pty *pty, const struct termios *modes);

/* The shell says that the job has stopped; it has the terminal then. */
void pty_expect_stop(Pty *pty, int signal_number);
/* The shell continues the job, as fg and bg do. */
void pty_foreground(Pty *pty);
void pty_background(Pty *pty);

/* The job ends by itself, and has written nothing to its standard streams, unless it may. */
void pty_finish(Pty *pty, PtyOutcome *ret);
/* The job is ended by this signal. */
void pty_finish_killed(Pty *pty, int signal_number);
/* Nothing is left that somebody typed. */
void pty_check_nothing_typed(Pty *pty);
void pty_deinit(Pty *pty);
