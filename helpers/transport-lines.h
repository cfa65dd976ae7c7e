#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transport lines: what the transport program says on standard error
 *
 * Bytes in, lines out, bounded whatever is said: a line that is too long is cut, and of all of them
 * the last few are kept, for whoever is told how the program ended. No I/O.
 */

#include "common/transport-protocol.h"

#define LINES_KEPT 3U
/* Of what is kept, so that all of them fit into a message. */
#define LINES_KEPT_TEXT (TRANSPORT_TEXT_MAX / LINES_KEPT - 2)

typedef void (*LinesFunc)(const char *line, void *userdata);

typedef struct Lines {
        char line[TRANSPORT_TEXT_MAX + 1]; /* the one that has not ended yet */
        size_t n;
        char kept[LINES_KEPT][LINES_KEPT_TEXT + 1];
        size_t n_kept; /* of all that there were; the last is at (n_kept - 1) % LINES_KEPT */
} Lines;

/* Calls func for each line that these bytes complete, without its end; empty ones do not count. */
void lines_add(Lines *lines, const char *data, size_t size, LinesFunc func, void *userdata);

/* What was said last is a line, too. */
void lines_end(Lines *lines, LinesFunc func, void *userdata);

/* The last ones that are no news, with "; " between them. */
void lines_join(const Lines *lines, char buf[TRANSPORT_TEXT_MAX + 1]);
