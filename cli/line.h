#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Line: the settings of a terminal line, and of the pty that stands in its place
 *
 * A program sets speed and modes of the pty, and means the device. What the pty's line discipline
 * does with what is written (OPOST) it does; what it would do with what is read (echo, lines, CR
 * and NL) is left to the device's, for which there is a flag that is meant for that: EXTPROC. With
 * it the pty says of itself when a program has changed a setting, which nothing else does. A
 * program can clear it; then the pty's discipline does both, the device's neither, and somebody has
 * to look now and then.
 *
 * Ptys have no parity, and characters of eight bits: the device keeps what it has of these.
 */

#include "common/macros.h"

typedef struct Line Line;

/* Reads the settings of the device, which is borrowed. With keeps_line a program does not decide
 * whether it hangs up when it is closed. -ENOTTY for what is no terminal line. */
int line_new(int device, bool keeps_line, Line **ret) _must_check_;
Line *line_free(Line *line);

/* Puts the device's settings onto the pty of this master. -errno. */
int line_show(Line *line, int master) _must_check_;

/* Puts the pty's settings onto the device, if they have changed; *ret_tells is whether the pty will
 * tell of the next change. -errno. */
int line_carry(Line *line, int master, bool *ret_tells) _must_check_;

/* Leaves the device as a program would have that has set it itself. */
void line_leave(Line *line, int master);

/* What a program asks to be thrown away, of what waits in the device: what it has received, or what
 * it has not sent yet. */
void line_flush_input(const Line *line);
void line_flush_output(const Line *line);

DEFINE_CLEANUP(Line *, line_free);
