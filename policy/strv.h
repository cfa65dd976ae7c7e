#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Strv: lists of strings, ended by NULL
 *
 * A list that was never added to is NULL and is an empty list to every function here. Free it with
 * strv_free() of common/macros.h.
 */

#include "common/macros.h"

size_t strv_length(char *const *strv);
bool strv_contains(char *const *strv, const char *text);

/* Adds a copy; the list itself may move. -ENOMEM leaves it as it was. */
int strv_push(char ***strv, const char *text) _must_check_;
/* Adds the string itself, which is eaten on failure too; NULL is taken for -ENOMEM. */
int strv_push_consume(char ***strv, char *text) _must_check_;

/* Adds the words of a text, which spaces and tabs keep apart. On failure some may be added. */
int strv_push_words(char ***strv, const char *text) _must_check_;

/* Sorts by bytes, whatever the locale. */
void strv_sort(char **strv);

/* As asprintf(3), but NULL without memory and nothing else. */
char *strv_format(const char *format, ...) _printf_(1, 2);
