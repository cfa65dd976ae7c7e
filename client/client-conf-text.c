/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/client-conf-text.h"
#include "common/nearest.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define BLANKS " \t\r"
#define KEY_MAX 32U

static const char *const keys[_CLIENT_CONF_KEY_MAX + 1] = {
        [CLIENT_CONF_KEY_ALIASES] = "uri_aliases",
        [CLIENT_CONF_KEY_DEFAULT] = "uri_default",
};

const char *client_conf_key_name(ClientConfKey key) {
        return keys[key];
}

int client_conf_text_fail(const ClientConfText *text, const char *format, ...) {
        char why[256];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, sizeof(why), format, args);
        va_end(args);

        error_set(text->error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "%s:%u cannot be understood: %s.", text->path, text->line, why);
        error_set_hint(text->error, "doorward-client.conf(5) says how it is written; "
                                    "doorward:///ENDPOINT is opened without it.");
        return -EINVAL;
}

static void skip_blanks(ClientConfText *text) {
        text->next += strspn(text->next, BLANKS);
        if (*text->next == '#')
                text->next += strcspn(text->next, "\n");
}

/* Also over the ends of lines. */
static void skip_lines(ClientConfText *text) {
        for (skip_blanks(text); *text->next == '\n'; skip_blanks(text)) {
                text->next++;
                text->line++;
        }
}

static int fail_key(const ClientConfText *text, const char *key) {
        const char *meant = nearest_find(key, keys + 1);

        (void)client_conf_text_fail(text, "there is no key '%s'", key);
        if (meant)
                error_set_hint(text->error, "Did you mean %s?", meant);
        else
                error_set_hint(text->error, "The keys are uri_aliases and uri_default.");
        return -EINVAL;
}

int client_conf_text_key(ClientConfText *text) {
        char key[KEY_MAX + 1] = "";
        size_t n;

        skip_lines(text);
        if (!*text->next)
                return 0;

        n = strspn(text->next, LETTERS);
        if (n == 0)
                return client_conf_text_fail(text, "a line begins with a key");
        memcpy(key, text->next, n < KEY_MAX ? n : KEY_MAX);
        text->next += n;

        skip_blanks(text);
        if (*text->next != '=')
                return client_conf_text_fail(text, "an equals sign follows a key");
        text->next++;

        for (int i = 1; i < _CLIENT_CONF_KEY_MAX; i++)
                if (streq(keys[i], key))
                        return i;
        return fail_key(text, key);
}

int client_conf_text_string(ClientConfText *text, char **ret) {
        const char *start;
        size_t n;

        skip_blanks(text);
        if (*text->next != '"')
                return client_conf_text_fail(text, "a text stands in double quotes");

        start = text->next + 1;
        n = strcspn(start, "\"\n");
        if (start[n] != '"')
                return client_conf_text_fail(text, "the text does not end on its line");

        *ret = strndup(start, n);
        if (!*ret)
                return error_no_memory(text->error);
        text->next = start + n + 1;
        return 0;
}

int client_conf_text_begin_list(ClientConfText *text) {
        skip_blanks(text);
        if (*text->next != '[')
                return client_conf_text_fail(text, "a list stands in brackets");

        text->next++;
        text->in_list = false;
        return 0;
}

int client_conf_text_next(ClientConfText *text, char **ret) {
        int r;

        skip_lines(text);
        if (text->in_list && *text->next == ',') {
                text->next++;
                skip_lines(text);
        } else if (text->in_list && *text->next == '"')
                return client_conf_text_fail(text, "a comma is missing between two texts");

        if (*text->next == ']') {
                text->next++;
                return 0;
        }
        if (!*text->next)
                return client_conf_text_fail(text, "the list has no end");

        r = client_conf_text_string(text, ret);
        text->in_list = true;
        return r < 0 ? r : 1;
}

int client_conf_text_end(ClientConfText *text) {
        skip_blanks(text);
        if (*text->next && *text->next != '\n')
                return client_conf_text_fail(text, "something follows the value on its line");

        return 0;
}
