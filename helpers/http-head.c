/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <strings.h>
#include <sys/types.h>

#include "helpers/http-head.h"

#define TOKEN_CHARS                                                      \
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
        "!#$%&'*+-.^_`|~"

static bool byte_is_text(char c) {
        return (c >= ' ' && c <= '~') || c == '\t';
}

ssize_t http_head_find_end(const char *data, size_t size) {
        size_t n = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;

        for (size_t i = 0; i < n; i++) {
                char before = i > 0 ? data[i - 1] : 0;

                if (before == '\r' ? data[i] != '\n' : data[i] != '\r' && !byte_is_text(data[i]))
                        return -EBADMSG;
                if (i >= 3 && memcmp(data + i - 3, "\r\n\r\n", 4) == 0)
                        return (ssize_t)i + 1;
        }

        return n == HTTP_HEAD_MAX ? -EMSGSIZE : 0;
}

/* Ends the line at data with a NUL; what follows it, or NULL. */
static char *line_end(char *data, const char *limit) {
        char *end = memmem(data, (size_t)(limit - data), "\r\n", 2);

        if (!end)
                return NULL;
        *end = 0;
        return end + 2;
}

static int field_parse(char *line, HttpField *ret) {
        char *value = strchr(line, ':'), *end;

        if (!value)
                return -EBADMSG;
        *value++ = 0;
        if (!http_token_is_valid(line))
                return -EBADMSG;

        value += strspn(value, " \t");
        end = value + strlen(value);
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = 0;

        *ret = (HttpField){.name = line, .value = value};
        return 0;
}

int http_head_parse(char *data, size_t size, HttpHead *ret) {
        char *line = data, *next;
        HttpHead head = {};

        if (http_head_find_end(data, size) != (ssize_t)size)
                return -EBADMSG;

        for (next = line_end(line, data + size); next; next = line_end(line, data + size)) {
                if (line == data)
                        head.start = line;
                else if (!*line)
                        break;
                else if (head.n_fields == HTTP_FIELDS_MAX ||
                         field_parse(line, &head.fields[head.n_fields++]) < 0)
                        return -EBADMSG;
                line = next;
        }

        *ret = head;
        return 0;
}

size_t http_head_find(const HttpHead *head, const char *name, const char **ret_value) {
        const char *value = NULL;
        size_t n = 0;

        for (size_t i = 0; i < head->n_fields; i++)
                if (strcasecmp(head->fields[i].name, name) == 0 && n++ == 0)
                        value = head->fields[i].value;

        *ret_value = value;
        return n;
}

bool http_token_is_valid(const char *text) {
        return *text && !text[strspn(text, TOKEN_CHARS)];
}

int http_list_next(const char **list, const char **ret_word, size_t *ret_size) {
        const char *word = *list + strspn(*list, " \t");
        size_t size = strspn(word, TOKEN_CHARS);
        const char *end = word + size + strspn(word + size, " \t");

        if (!*word)
                return -ENOENT;
        if (size == 0 || (*end && *end != ','))
                return -EBADMSG;

        *list = end + (*end == ',');
        *ret_word = word;
        *ret_size = size;
        return 0;
}

bool http_word_is(const char *word, size_t size, const char *expected) {
        return size == strlen(expected) && strncasecmp(word, expected, size) == 0;
}
