#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Log settings: what is logged, and where to
 *
 * Three variables say it, in the words of libvirt's: DOORWARD_DEBUG has a level for everything,
 * DOORWARD_LOG_FILTERS levels for single categories, and DOORWARD_LOG_OUTPUTS where lines of at
 * least some level go. With none of them nothing is logged. Here is how they are read: on texts, so
 * that it is tested without an environment. A word that is none is left out and complained about,
 * with the words that there are; the rest counts. Nothing is allocated.
 */

#include "common/macros.h"

/* The numbers are libvirt's; more is worse. */
typedef enum LogLevel {
        LOG_LEVEL_DEBUG = 1,
        LOG_LEVEL_INFO,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_ERROR,
        LOG_LEVEL_NONE, /* as a threshold: nothing is logged */
} LogLevel;

/* What a line is about: the library's nouns. */
typedef enum LogCategory {
        LOG_CATEGORY_AGENT,
        LOG_CATEGORY_ANOTHER,
        LOG_CATEGORY_AUTH,
        LOG_CATEGORY_CONN,
        LOG_CATEGORY_CONVERSATION,
        LOG_CATEGORY_ERROR,
        LOG_CATEGORY_LAUNCH,
        LOG_CATEGORY_LEASE,
        LOG_CATEGORY_OPENING,
        LOG_CATEGORY_REMOTE,
        LOG_CATEGORY_TRUST,
        LOG_CATEGORY_URI,
        LOG_CATEGORY_WIRE,
        _LOG_CATEGORY_MAX,
} LogCategory;

typedef enum LogTarget {
        LOG_TARGET_STDERR,
        LOG_TARGET_FILE,
        LOG_TARGET_JOURNALD,
} LogTarget;

#define LOG_OUTPUTS_MAX 4U
#define LOG_PATH_SIZE 512U

typedef struct LogOutput {
        LogLevel level; /* lines below it do not go there */
        LogTarget target;
        char path[LOG_PATH_SIZE]; /* of the file */
} LogOutput;

typedef struct LogSettings {
        LogLevel threshold; /* below it there is no line for anybody */
        LogLevel levels[_LOG_CATEGORY_MAX];
        LogOutput outputs[LOG_OUTPUTS_MAX];
        unsigned n_outputs;
} LogSettings;

/* Is told what is wrong: one sentence, and what there is instead. */
typedef void (*LogComplain)(const char *text);

/* Reads the values of the three variables, any of which can be NULL. */
void log_settings_read(LogSettings *ret, const char *debug, const char *filters,
                       const char *outputs, LogComplain complain);

/* "debug" or "1", and so on; -EINVAL. */
int log_level_from_string(const char *text) _must_check_;

const char *log_level_to_string(LogLevel level);
const char *log_category_to_string(LogCategory category);
