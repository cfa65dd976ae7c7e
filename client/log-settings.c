/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/log-settings.h"

#define LEVELS "1 to 4, or debug, info, warning and error"
#define WORD_SIZE (LOG_PATH_SIZE + 32)
/* How much of what was written is repeated to whoever wrote it. */
#define QUOTE "\"%.100s\""

static const char *const levels[] = {
        [LOG_LEVEL_DEBUG] = "debug",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_ERROR] = "error",
};

static const char *const categories[] = {
        [LOG_CATEGORY_AGENT] = "agent",
        [LOG_CATEGORY_ANOTHER] = "another",
        [LOG_CATEGORY_AUTH] = "auth",
        [LOG_CATEGORY_CONN] = "conn",
        [LOG_CATEGORY_CONVERSATION] = "conversation",
        [LOG_CATEGORY_ERROR] = "error",
        [LOG_CATEGORY_LAUNCH] = "launch",
        [LOG_CATEGORY_LEASE] = "lease",
        [LOG_CATEGORY_OPENING] = "opening",
        [LOG_CATEGORY_REMOTE] = "remote",
        [LOG_CATEGORY_TRUST] = "trust",
        [LOG_CATEGORY_URI] = "uri",
        [LOG_CATEGORY_WIRE] = "wire",
};

const char *log_level_to_string(LogLevel level) {
        return levels[level];
}

const char *log_category_to_string(LogCategory category) {
        return categories[category];
}

int log_level_from_string(const char *text) {
        for (int level = LOG_LEVEL_DEBUG; level < LOG_LEVEL_NONE; level++)
                if (streq(text, levels[level]) || (text[0] == '0' + level && !text[1]))
                        return level;

        return -EINVAL;
}

static int category_from_string(const char *text) {
        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                if (streq(text, categories[c]))
                        return c;

        return -EINVAL;
}

static void complain_of(LogComplain complain, const char *variable, const char *word,
                        const char *allowed) {
        char text[1024];

        (void)snprintf(text, sizeof(text), "%s: " QUOTE " is left out; %s.", variable, word,
                       allowed);
        complain(text);
}

/* Takes the next word of *text, which blanks separate: false if there is none. One that is too long
 * is cut, and then no word of ours. */
static bool word_next(const char **text, char word[WORD_SIZE]) {
        static const char blanks[] = " \t\n";
        size_t n;

        *text += strspn(*text, blanks);
        n = strcspn(*text, blanks);
        (void)snprintf(word, WORD_SIZE, "%.*s", (int)(n < WORD_SIZE ? n : WORD_SIZE), *text);
        *text += n;
        return n > 0;
}

/* Cuts "LEVEL:REST" in two; -EINVAL if it does not begin with a level. */
static int word_cut_level(char *word, char **ret_rest) {
        char *colon = strchr(word, ':');
        int level;

        if (!colon)
                return -EINVAL;

        *colon = 0;
        level = log_level_from_string(word);
        *colon = ':';
        *ret_rest = colon + 1;
        return level;
}

static void settings_set_level(LogSettings *settings, LogLevel level) {
        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                settings->levels[c] = level;
}

static void complain_of_filter(LogComplain complain, const char *word) {
        char allowed[512] = "filters are LEVEL:CATEGORY, with a space between them; "
                            "levels are " LEVELS "; categories are";

        for (int c = 0; c < _LOG_CATEGORY_MAX; c++) {
                size_t n = strlen(allowed);

                (void)snprintf(allowed + n, sizeof(allowed) - n, "%s %s",
                               c == 0                       ? ""
                               : c == _LOG_CATEGORY_MAX - 1 ? " and"
                                                            : ",",
                               categories[c]);
        }
        complain_of(complain, "DOORWARD_LOG_FILTERS", word, allowed);
}

/* The first filter of a category is the one that counts. */
static void read_filters(LogSettings *settings, const char *text, LogComplain complain) {
        bool is_set[_LOG_CATEGORY_MAX] = {};
        char word[WORD_SIZE], *rest;

        while (word_next(&text, word)) {
                int level = word_cut_level(word, &rest);
                int category = level < 0 ? level : category_from_string(rest);

                if (category < 0) {
                        complain_of_filter(complain, word);
                        continue;
                }
                if (!is_set[category])
                        settings->levels[category] = (LogLevel)level;
                is_set[category] = true;
        }
}

static int read_output(const char *text, LogOutput *output) {
        static const char file[] = "file:";

        if (streq(text, "stderr"))
                output->target = LOG_TARGET_STDERR;
        else if (streq(text, "journald"))
                output->target = LOG_TARGET_JOURNALD;
        else if (strncmp(text, file, strlen(file)) == 0) {
                text += strlen(file);
                /* The folder of a process is not what somebody who writes a variable knows. */
                if (text[0] != '/' || strlen(text) >= sizeof(output->path))
                        return -EINVAL;
                output->target = LOG_TARGET_FILE;
                (void)strcpy(output->path, text);
        } else
                return -EINVAL;

        return 0;
}

static void read_outputs(LogSettings *settings, const char *text, LogComplain complain) {
        char word[WORD_SIZE], *rest;

        while (word_next(&text, word)) {
                LogOutput output = {};
                int level = word_cut_level(word, &rest);

                if (settings->n_outputs == LOG_OUTPUTS_MAX)
                        complain_of(complain, "DOORWARD_LOG_OUTPUTS", word,
                                    "there can be four of them");
                else if (level < 0 || read_output(rest, &output) < 0)
                        complain_of(complain, "DOORWARD_LOG_OUTPUTS", word,
                                    "outputs are LEVEL:stderr, LEVEL:journald and "
                                    "LEVEL:file:PATH with an absolute path, with a space between "
                                    "them; levels are " LEVELS);
                else {
                        output.level = (LogLevel)level;
                        settings->outputs[settings->n_outputs++] = output;
                }
        }
}

static LogLevel lowest_output(const LogSettings *settings) {
        LogLevel lowest = LOG_LEVEL_NONE;

        for (unsigned i = 0; i < settings->n_outputs; i++)
                if (settings->outputs[i].level < lowest)
                        lowest = settings->outputs[i].level;
        return lowest;
}

static LogLevel lowest_category(const LogSettings *settings) {
        LogLevel lowest = LOG_LEVEL_NONE;

        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                if (settings->levels[c] < lowest)
                        lowest = settings->levels[c];
        return lowest;
}

void log_settings_read(LogSettings *ret, const char *debug, const char *filters,
                       const char *outputs, LogComplain complain) {
        int level = LOG_LEVEL_NONE;

        *ret = (LogSettings){};
        if (outputs)
                read_outputs(ret, outputs, complain);

        /* Who only says where lines go wants those that may go there. */
        if (!debug && !filters)
                level = (int)lowest_output(ret);
        else if (debug) {
                level = log_level_from_string(debug);
                if (level < 0) {
                        complain_of(complain, "DOORWARD_DEBUG", debug, "levels are " LEVELS);
                        level = LOG_LEVEL_NONE;
                }
        }
        settings_set_level(ret, (LogLevel)level);
        if (filters)
                read_filters(ret, filters, complain);

        if (ret->n_outputs == 0)
                ret->outputs[ret->n_outputs++] = (LogOutput){
                        .level = LOG_LEVEL_DEBUG,
                        .target = LOG_TARGET_STDERR,
                };
        ret->threshold = lowest_category(ret);
        if (lowest_output(ret) > ret->threshold)
                ret->threshold = lowest_output(ret);
}
