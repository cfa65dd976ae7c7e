#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Report: how an error is told
 *
 * On standard error a sentence, then what to do, then the request's id, by which an administrator
 * finds the record of the decision:
 *
 *   doorward: Policy refused full access to docker.
 *   Hint: ...
 *   Request: 2f6c... (an administrator can look it up: journalctl DOORWARD_REQUEST=2f6c...)
 *
 * With --json the same is one object with one member, "error", on standard output, where a program
 * that asked for JSON reads, and standard error stays empty.
 */

#include "cli/options.h"
#include "client/error.h"

/* What to do about an endpoint in whose place `run` can put nothing. */
#define REPORT_HINT_EXEC "Write 'exec' in place of 'run': it hands over the descriptor itself."

/* Tells it and returns the exit status. */
int report_error(const Options *options, const doorward_error *error);

/* The same for an error of our own: "MESSAGE: strerror(-error)". Returns EXIT_STATUS_FAILURE. */
int report_errno(const Options *options, int error, const char *format, ...) _printf_(3, 4);

/* The same for what this program itself finds wrong: a class, what to do, what happened. */
int report_problem(const Options *options, doorward_error_code code, const char *hint,
                   const char *format, ...) _printf_(4, 5);

/* Something that people should know and that is no error: one line on standard error, unless
 * --quiet was given. */
void report_note(const Options *options, const char *format, ...) _printf_(2, 3);
