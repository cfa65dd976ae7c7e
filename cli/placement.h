#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Placement: which descriptor gets which number in the command that `doorward exec` runs
 *
 * An argument that names a number gets it. The others stand from 3 on without a gap, in the order
 * of the arguments, since that is what LISTEN_FDS means. {} in the command is replaced by the
 * number of the only endpoint; with several, {docker} or {docker:ro}, the argument as it was
 * written, says which one is meant. Anything else in braces is the command's own.
 */

#include "cli/argument.h"

#define PLACEMENT_LISTEN_START 3

enum {
        _PLACEMENT_E_SUCCESS,
        PLACEMENT_E_CONFLICT,  /* two descriptors cannot have one number */
        PLACEMENT_E_AMBIGUOUS, /* {} of several endpoints, or {docker} of two */
};

/* What is said then: the word, and an argument. */
#define PLACEMENT_TEXT_AMBIGUOUS \
        "'%s': with several endpoints write which one is meant, as in {%s}, and name none twice."

/* Fills numbers, one for each argument; *ret_n_listen is how many stand from 3 on.
 * PLACEMENT_E_CONFLICT: *ret_conflict is then the number. */
int placement_plan(const Argument *arguments, size_t n, int *numbers, size_t *ret_n_listen,
                   int *ret_conflict) _must_check_;

/* The names of those that stand from 3 on, with colons between: LISTEN_FDNAMES. The string is the
 * caller's. -ENOMEM. */
int placement_names(const Argument *arguments, size_t n, char **ret) _must_check_;

/* One word of the command with its braces replaced by what stands for their argument: of `exec` its
 * number, of `run` its path. The string is the caller's. PLACEMENT_E_AMBIGUOUS, -ENOMEM. */
int placement_substitute(const char *word, const Argument *arguments, const char *const *values,
                         size_t n, char **ret) _must_check_;

/* All of a command's words; the vector is the caller's. As above, and *ret_word is the one that is
 * ambiguous. */
int placement_substitute_all(char *const *words, const Argument *arguments,
                             const char *const *values, size_t n, char ***ret,
                             const char **ret_word) _must_check_;

/* Moves descriptors to their numbers in a process that is about to exec: sources[i] becomes
 * numbers[i], open across exec. The sources must be distinct and have close-on-exec. *spare is one
 * more descriptor, which is moved out of the way if it must be. -errno. */
int placement_apply(const int *sources, const int *numbers, size_t n, int *spare) _must_check_;
