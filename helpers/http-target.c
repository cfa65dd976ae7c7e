/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/types.h>

#include "common/hex.h"
#include "helpers/http-target.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define NAME_CHARS LETTERS DIGITS "_-."
#define PART_CHARS NAME_CHARS ":@"
/* What a value may have as it stands, and what stands as it is when it is written. */
#define VALUE_CHARS NAME_CHARS "~:@/,!*'()$"
#define SAFE_CHARS NAME_CHARS "~"

/* The byte that an escape stands for, or -EBADMSG. */
static int escape_parse(const char *text) {
        int high = text[0] == '%' ? hex_value(text[1]) : -1;
        int low = high >= 0 ? hex_value(text[2]) : -1;

        return low >= 0 ? high * 16 + low : -EBADMSG;
}

static int path_parse(const char *text, size_t size, HttpTarget *target) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (c == '%') {
                        int byte = escape_parse(text + i);

                        if (byte != '/' && byte != ':' && byte != '@')
                                return -EBADMSG;
                        c = (char)byte;
                        i += 2;
                }
                if (n == HTTP_PATH_MAX || !(c == '/' || (c && strchr(PART_CHARS, c))))
                        return -EBADMSG;
                target->path[n++] = c;
        }
        target->path[n] = 0;
        return 0;
}

static int path_split(HttpTarget *target) {
        char *rest = strcpy(target->split, target->path);

        if (*rest++ != '/')
                return -EBADMSG;
        while (rest) {
                const char *part = strsep(&rest, "/");

                if (target->n_parts == HTTP_PARTS_MAX || !*part || streq(part, ".") ||
                    streq(part, ".."))
                        return -EBADMSG;
                target->parts[target->n_parts++] = part;
        }
        return 0;
}

/* Where it stands; what it stands for is never longer. */
static int value_decode(char *text) {
        char *to = text;

        for (const char *from = text; *from; from++) {
                int byte = (unsigned char)*from;

                if (byte == '%') {
                        byte = escape_parse(from);
                        from += 2;
                } else if (byte == '+')
                        byte = ' ';
                else if (!strchr(VALUE_CHARS, byte))
                        return -EBADMSG;
                if (byte < ' ' || byte == 0x7f)
                        return -EBADMSG;
                *to++ = (char)byte;
        }

        *to = 0;
        return 0;
}

static int parameter_parse(char *text, HttpTarget *target) {
        char *value = strchr(text, '=');

        if (!value || target->n_parameters == HTTP_PARAMETERS_MAX)
                return -EBADMSG;
        *value++ = 0;
        if (!*text || text[strspn(text, NAME_CHARS)] || value_decode(value) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < target->n_parameters; i++)
                if (streq(target->parameters[i].name, text))
                        return -EBADMSG;

        target->parameters[target->n_parameters++] = (HttpParameter){text, value};
        return 0;
}

static int query_parse(const char *text, HttpTarget *target) {
        char *rest = target->text;
        int r = 0;

        if (strlen(text) > HTTP_QUERY_MAX)
                return -EBADMSG;
        if (*text)
                (void)strcpy(rest, text);
        else
                rest = NULL;

        while (r == 0 && rest)
                r = parameter_parse(strsep(&rest, "&"), target);
        return r;
}

int http_target_parse(const char *text, HttpTarget *ret) {
        size_t size = strcspn(text, "?");
        int r;

        ret->n_parts = ret->n_parameters = 0;
        r = path_parse(text, size, ret);
        if (r == 0)
                r = path_split(ret);
        if (r == 0 && text[size])
                r = query_parse(text + size + 1, ret);
        return r;
}

typedef struct Writer {
        char *data;
        size_t size, used;
} Writer;

/* What does not fit is counted, and not written. */
static void put(Writer *writer, char c) {
        if (writer->used < writer->size)
                writer->data[writer->used] = c;
        writer->used++;
}

static void put_text(Writer *writer, const char *text) {
        while (*text)
                put(writer, *text++);
}

static void put_escaped(Writer *writer, const char *text) {
        static const char digits[] = "0123456789ABCDEF";

        for (; *text; text++) {
                unsigned char byte = (unsigned char)*text;

                if (strchr(SAFE_CHARS, byte)) {
                        put(writer, (char)byte);
                        continue;
                }
                put(writer, '%');
                put(writer, digits[byte >> 4]);
                put(writer, digits[byte & 15]);
        }
}

ssize_t http_target_format(const HttpTarget *target, char *buf, size_t size) {
        Writer writer = {.data = buf, .size = size};

        put_text(&writer, target->path);
        for (size_t i = 0; i < target->n_parameters; i++) {
                put(&writer, i == 0 ? '?' : '&');
                put_text(&writer, target->parameters[i].name);
                put(&writer, '=');
                put_escaped(&writer, target->parameters[i].value);
        }
        put(&writer, 0);
        return writer.used <= size ? (ssize_t)writer.used - 1 : -EMSGSIZE;
}
