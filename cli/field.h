#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Field: a line that says one thing, with its name before it
 *
 * For what is a handful of facts and no table. Texts of others are escaped, and what is long goes
 * on below where it began.
 */

#include <jansson.h>

#include "common/macros.h"

void field_print(const char *label, const char *text);
void field_printf(const char *label, const char *format, ...) _printf_(2, 3);

/* The same where labels are of another width than usual. */
void field_print_at(int width, const char *label, const char *text);
void field_printf_at(int width, const char *label, const char *format, ...) _printf_(3, 4);

/* Each of an array of strings in a line of its own, the first with the label. */
void field_print_strings(const char *label, const json_t *strings);

/* All of them in one, with commas; none: this word in their place. */
void field_print_list(const char *label, const json_t *strings, const char *none);
