#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TTY: the controlling terminal, taken for the time of one prompt
 *
 * Echo is off while a secret is typed, and whoever is interrupted then must find the terminal as it
 * was. So from tty_begin() to tty_end() the signals that end or stop a program are caught: each
 * ends the read, the terminal is put in order, and the program's own way with signals is put back.
 * tty_send_again() then sends the signal again, to do what it would have done: when the answer is
 * erased and nothing is locked, since the program's own handlers run. Who comes back from a stop
 * asks anew: the line on the screen, and the echo, may be somebody else's by then.
 *
 * Signals that the program ignores stay ignored. Those that it blocks and that end programs are let
 * through, so that ^C is heard, and are pending again in the end. A stop that it blocks stays
 * pending: it would not stop, and the prompt would come again for ever.
 *
 * Handlers belong to a process and not to a thread: one prompt at a time.
 */

#include <signal.h>
#include <termios.h>

#include "client/auth.h"

#define TTY_LINE_MAX CONVERSATION_ANSWER_MAX
#define TTY_SIGNALS 10U

enum {
        _TTY_E_SUCCESS,
        TTY_E_NONE,        /* there is no controlling terminal */
        TTY_E_BACKGROUND,  /* another process group has it */
        TTY_E_SIGNAL,      /* a signal ended the read: tty_end() says which kind */
        TTY_E_END,         /* ^D, or the terminal is gone */
        TTY_E_HUNG_UP,     /* what was watched hung up */
        TTY_E_LATE,        /* the deadline passed */
        TTY_E_LONG,        /* the line is too long, */
        TTY_E_NUL,         /* or holds a NUL: it was read to its end and dropped */
        TTY_E_INTERRUPTED, /* a signal came that ends programs */
        TTY_E_CONTINUED,   /* one that stops them, or continues them */
};

typedef struct Tty {
        int fd;
        const AuthWatch *watch; /* borrowed, or NULL */

        /* From tty_begin() to tty_end(). */
        bool hidden;
        bool complete; /* a line was read to its end */
        bool has_modes;
        int wake;                     /* readable once a signal came */
        struct termios before, modes; /* as it was found, and as it is for the prompt */
        sigset_t mask;
        bool caught[TTY_SIGNALS]; /* by tty_end(), for tty_send_again() */
} Tty;

#define TTY_NULL \
        { .fd = -EBADF, .wake = -EBADF }

/* Whether anybody still wants an answer: 0, TTY_E_HUNG_UP or TTY_E_LATE. watch may be NULL. */
int tty_check_watch(const AuthWatch *watch) _must_check_;

/* Opens it and looks whether it is ours to use, and whether anybody still wants an answer: watch is
 * heeded in all that waits, and may be NULL. TTY_E_*, or -errno. */
int tty_open(Tty *tty, const AuthWatch *watch) _must_check_;
void tty_close(Tty *tty);

/* Writes a text, and waits while the output is stopped (^S). Nothing is done about failures: who
 * does not see a prompt does not answer it. */
void tty_write(const Tty *tty, const char *text);

/* Takes the terminal: what is typed is shown or not, and by lines. Where it is not, what was typed
 * before is forgotten. 0; or, with nothing taken, -errno or what tty_end() gives. */
int tty_begin(Tty *tty, bool hidden) _must_check_;

/* Reads a line, without its end. TTY_E_*, or -errno, and the line is erased; else by the
 * caller. */
int tty_read_line(Tty *tty, char line[TTY_LINE_MAX + 1]) _must_check_;

/* Gives everything back. What signals came says 0 (none, or none that counts), TTY_E_CONTINUED or
 * TTY_E_INTERRUPTED. */
int tty_end(Tty *tty) _must_check_;

/* Sends them again; returns after whatever they did, if it does. */
void tty_send_again(Tty *tty);
