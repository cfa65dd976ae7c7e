#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hex: hexadecimal digits
 *
 * Of either case, in ASCII and whatever the locale: %XX of URIs and of HTTP, \uXXXX of JSON, the
 * size of a chunk.
 */

#include "common/macros.h"

/* 0 to 15, or -1 for what is no digit. */
int hex_value(char digit) _must_check_;
