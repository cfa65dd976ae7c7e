#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Cmd: what `doorward exec` and `run` have in common: endpoints, and a command that is told of them
 *
 * What is wrong is said here, so each of these returns -1 if there was nothing, or the exit status.
 */

#include "cli/argument.h"
#include "cli/child.h"
#include "cli/options.h"

/* More than anybody writes on a command line, and fewer than a user may have connections to the
 * broker. */
#define CMD_ENDPOINTS_MAX 16U

/* Reads the endpoints, of which there are *ret_n; none written is the default one. fd_allowed is
 * grant_read_argument()'s. */
int cmd_parse(const Options *options, char **texts, size_t n, bool fd_allowed,
              Argument arguments[CMD_ENDPOINTS_MAX], size_t *ret_n) _must_check_;

/* Makes *words, which are freed before that, of the command that was written: with values[i] where
 * arguments[i] stands in braces. */
int cmd_substitute(const Options *options, const Argument *arguments, const char *const *values,
                   size_t n, char ***words) _must_check_;

/* Starts it. From then on whoever reads our standard error may go away without ending us. */
int cmd_start(const Options *options, Child *child, const ChildSpec *spec) _must_check_;
