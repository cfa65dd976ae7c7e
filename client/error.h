#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Error: how the library says what went wrong
 *
 * Inside, an error is an argument: a function that can fail takes one that is all zero (or holds an
 * earlier error, which is dropped) and fills it when it returns a negative errno. Only the exported
 * functions know of the thread's last error; error_raise() moves one there.
 *
 * Texts pass through here on their way to people, and some of them were written by others: a hint
 * by the broker, a name by whoever called. So this is the one place where control characters are
 * replaced and lengths are bounded.
 */

#include <stdarg.h>

#include "client/doorward.h"
#include "common/macros.h"

#define DOORWARD_EXPORT __attribute__((__visibility__("default")))

/* What is longer is cut. */
#define ERROR_TEXT_MAX 1024U

#define _cleanup_error_ _cleanup_(doorward_error_clear)

/* Sets class, errno and message, and drops all else that the error held. */
void error_set(doorward_error *error, doorward_error_domain domain, doorward_error_code code,
               int errnum, const char *format, ...) _printf_(5, 6);

/* Adds to an error that was set. NULL texts are ignored. */
void error_set_hint(doorward_error *error, const char *format, ...) _printf_(2, 3);
void error_set_endpoint(doorward_error *error, const char *endpoint);
void error_set_action(doorward_error *error, const char *action_id);
void error_set_request(doorward_error *error, const char *request_id);

/* Takes another in its place, which keeps what only the first knew: the endpoint, the action, the
 * request. by is left all zero. */
void error_replace(doorward_error *error, doorward_error *by);

/* Sets DOORWARD_ERR_SYSTEM with ENOMEM; returns -ENOMEM. */
int error_no_memory(doorward_error *error);

/* Sets DOORWARD_ERR_SYSTEM for a negative errno, which it returns: "WHAT: strerror."; of a lack of
 * memory, as error_no_memory(). */
int error_system(doorward_error *error, int r, const char *what);

/* Whether policy has said no, or would have to hear a password that it did not. */
bool error_is_denial(const doorward_error *error);

/* Begins an exported function: forgets the thread's last error. */
void error_begin(void);

/* Ends one that failed: the error becomes the thread's last, errno is set, the error function is
 * called. error is left all zero. */
void error_raise(doorward_error *error);
