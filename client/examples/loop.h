/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What loop-poll.c, loop-sd-event.c and loop-glib.c have in common: a program that opens an
 * endpoint without waiting, asks for passwords on standard output, takes answers from standard
 * input, and says when the lease ends. The loop is what each of them has of its own.
 *
 * A program with a window would show the password's dialog where this one prints "prompt: ...".
 */

#include <doorward.h>

struct program {
        doorward_opening *opening; /* at first, */
        doorward_conn *conn;       /* and then this */
        int asking;                /* a question was shown, and not answered */
        int deaf;                  /* nothing more comes from standard input */
        int status;                /* to exit with */
        /* Has the loop forget the descriptor, which is about to be closed: its number may be that
         * of the next. NULL: the loop remembers none. */
        void (*forget)(struct program *program);
};

/* Begins. Returns 0, or -1 after saying why not. */
int program_start(struct program *program, const char *uri);

/* What to wait for at present, as the library says it, of what is being opened or is open: ask
 * after each of the two calls below. */
int program_get_fd(struct program *program);
int program_get_events(struct program *program);
long long program_get_timeout(struct program *program);

/* Something may have happened. Returns 1 to go on, and 0 if there is nothing more to be waited for.
 */
int program_process(struct program *program);

/* Standard input is readable. Returns likewise. */
int program_hear(struct program *program);

/* Whatever there is. Returns the status to exit with. */
int program_end(struct program *program);
