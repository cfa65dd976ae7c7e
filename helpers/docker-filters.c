/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/docker-filters.h"

static const char *const allowed[] = {
        "ancestor", "before",  "container", "daemon",  "dangling", "driver",       "event",
        "exited",   "expose",  "health",    "id",      "image",    "intermediate", "label",
        "name",     "network", "pod",       "publish", "readonly", "reference",    "scope",
        "since",    "status",  "type",      "until",   "volume",
};

/* Takes the text off the front if it is there. */
static bool take(const char **text, const char *expected) {
        size_t n = strlen(expected);

        if (strncmp(*text, expected, n) != 0)
                return false;
        *text += n;
        return true;
}

static bool take_string(const char **text, const char **ret, size_t *ret_size) {
        if (!take(text, "\""))
                return false;

        *ret = *text;
        *ret_size = strcspn(*text, "\"\\");
        *text += *ret_size;
        return take(text, "\"");
}

static bool name_is(const char *name, size_t size, const char *word) {
        return size == strlen(word) && memcmp(name, word, size) == 0;
}

static bool name_is_allowed(const char *name, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                if (name_is(name, size, allowed[i]))
                        return true;
        return false;
}

/* A label's value can be asked for by "NAME=VALUE"; and what a command begins with, by an event
 * such as "exec_create: COMMAND", which the service compares with what it hides otherwise. */
static bool value_is_harmless(const char *name, size_t name_size, const char *value, size_t size) {
        if (name_is(name, name_size, "label"))
                return !memchr(value, '=', size);
        if (name_is(name, name_size, "event"))
                return strspn(value, "abcdefghijklmnopqrstuvwxyz_-") >= size;
        return true;
}

/* The values of one name, behind the colon. */
static bool take_values(const char **text, const char *name, size_t name_size) {
        bool object = take(text, "{");
        const char *value, *end = object ? "}" : "]";
        size_t size;

        if (!object && !take(text, "["))
                return false;
        if (take(text, end))
                return true;
        do {
                if (!take_string(text, &value, &size) ||
                    !value_is_harmless(name, name_size, value, size))
                        return false;
                if (object && !take(text, ":true"))
                        return false;
        } while (take(text, ","));
        return take(text, end);
}

bool docker_filters_are_harmless(const char *text) {
        const char *name;
        size_t size;

        if (!*text || streq(text, "null"))
                return true;
        if (!take(&text, "{"))
                return false;
        if (take(&text, "}"))
                return !*text;
        do {
                if (!take_string(&text, &name, &size) || !name_is_allowed(name, size) ||
                    !take(&text, ":") || !take_values(&text, name, size))
                        return false;
        } while (take(&text, ","));
        return take(&text, "}") && !*text;
}
