#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text: strings of others on a terminal
 *
 * Descriptions, hints and user names are shown as they are, but for what a terminal would obey:
 * control characters, and bytes that are no characters in this locale, become '?'. A new line
 * becomes a space, unless lines are wanted.
 */

#include <stdio.h>

#include "common/macros.h"

/* The caller's; NULL: no memory. */
char *text_escape(const char *text) _must_check_;

/* How many columns a terminal needs for it. */
size_t text_width(const char *text);

/* Prints it, escaped, in lines of at most width columns, each but the first after indent spaces. */
void text_print_wrapped(FILE *f, const char *text, size_t indent, size_t width);

/* Prints it as a JavaScript string, with its quotes. */
void text_print_quoted(FILE *f, const char *text);

/* The width of the terminal, within bounds; 80 where there is none. */
size_t text_columns(void);
