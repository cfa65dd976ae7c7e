#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Escape: the %XX of URIs
 *
 * Letters, digits and -._~/+ stand for themselves, whatever else there is can be written as % and
 * two hexadecimal digits. What was decoded is to be checked after that, and is never decoded twice.
 */

#include "common/macros.h"

/* How long n bytes can become, with the NUL. */
#define ESCAPE_SIZE(n) (3 * (n) + 1)

/* Escapes what needs it; returns buf. text has at most max bytes, buf is of ESCAPE_SIZE(max). */
const char *escape_encode(const char *text, size_t max, char *buf);

/* Decodes it where it stands. -EINVAL if two hexadecimal digits are missing behind a %, or would
 * make a NUL; what text then holds is not to be used. */
int escape_decode(char *text) _must_check_;
