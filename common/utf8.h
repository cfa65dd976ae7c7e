#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UTF-8: texts of others, made fit to be shown
 *
 * One line, no control characters (what a terminal would obey, or what would have a reader see
 * another text than there is), well-formed, not too long.
 */

#include "common/macros.h"

/* Cleans it where it stands: a newline or tab becomes a space, anything else that may not be in it
 * a question mark. What is beyond max bytes is cut, between characters. */
void utf8_clean(char *text, size_t max);

/* Whether it is well-formed, whatever is in it. */
bool utf8_is_valid(const char *text);
