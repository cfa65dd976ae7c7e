#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Log: what the library does, for who looks for why it does not do what it should
 *
 * It is silent unless the environment asks (client/log-settings.h), which is looked at once, when
 * the first line could be written, and not at all in a program that has more privilege than who
 * started it. As long as it is silent a line costs one comparison.
 *
 * The process is somebody else's: no descriptor is kept for it, since a program that closes what it
 * does not know (daemons do) would have our lines in whatever gets the number next; SIGPIPE is not
 * raised; errno is kept; nothing is allocated. A line is one write(2), so that lines of threads and
 * processes do not mix. Who reads a file or the journal is not waited for.
 *
 * What is logged: names, numbers, sizes, states. Never what somebody typed, never a message's
 * parameters, never a text that was not yet looked at (a URI can hold a password).
 */

#include "client/log-settings.h"

/* Below it there is nothing to do. Before the environment was looked at: everything is to be. */
extern int log_threshold; /* atomic */

#define log_debug(category, ...) log_at(LOG_LEVEL_DEBUG, category, __VA_ARGS__)
#define log_info(category, ...) log_at(LOG_LEVEL_INFO, category, __VA_ARGS__)
#define log_warning(category, ...) log_at(LOG_LEVEL_WARNING, category, __VA_ARGS__)
#define log_error(category, ...) log_at(LOG_LEVEL_ERROR, category, __VA_ARGS__)

#define log_at(level, category, ...)                                                   \
        do {                                                                           \
                if ((int)(level) >= __atomic_load_n(&log_threshold, __ATOMIC_RELAXED)) \
                        log_write(level, category, __VA_ARGS__);                       \
        } while (false)

void log_write(LogLevel level, LogCategory category, const char *format, ...) _printf_(3, 4);

/* Has everything from that level on written to standard error, whatever the environment says but
 * for its filters. For a program of our own, before anything else of the library is called. */
void log_force(LogLevel level);
