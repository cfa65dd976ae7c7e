#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Nearest: what a misspelt word was meant to be
 *
 * By edit distance (a letter added, left out or replaced, two neighbours swapped), ignoring case,
 * and only where it is near enough to be a help: a third of the word's length, at most 3.
 */

#include "common/macros.h"

/* The candidate that is nearest to word, or NULL. Candidates end with NULL. */
const char *nearest_find(const char *word, const char *const *candidates);
