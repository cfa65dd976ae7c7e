#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI input: a text that is being read as a URI, and how it is refused
 *
 * For people there is one sentence that begins with what they wrote, and a hint: what was probably
 * meant, if that could be opened (so it is parsed before it is shown), else how such a URI is
 * written.
 */

#include "client/uri.h"

typedef struct UriInput {
        const char *text;       /* as it was written */
        UriTransport transport; /* as far as it is known */
        doorward_error *error;  /* NULL: it is only to be seen whether it is one */
} UriInput;

/* Sets DOORWARD_ERR_BAD_URI, with the general hint; returns -EINVAL. why completes a sentence. */
int uri_input_fail(const UriInput *input, const char *format, ...) _printf_(2, 3);

/* The same, of what escape_decode() refuses. */
int uri_input_fail_escape(const UriInput *input);

/* Replaces the hint. */
void uri_input_hint(const UriInput *input, const char *format, ...) _printf_(2, 3);

/* Replaces it by "Did you mean ...?", if that is a URI: with the query that was written, or else
 * without any. */
bool uri_input_suggest(const UriInput *input, const char *format, ...) _printf_(2, 3);
