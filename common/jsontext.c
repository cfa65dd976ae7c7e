/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <locale.h>
#include <math.h>

#include "common/hex.h"
#include "common/jsontext.h"

typedef struct JsonText {
        const char *p, *end;
        /* Where strings are put together: of keys whose value is being read, one behind the other.
         * Without its quotes and with a NUL none is longer than it was in the text. */
        char *strings;
        unsigned depth; /* that is left */
} JsonText;

/* The characters of one byte that stand for themselves in a string. */
static const bool is_plain[128] = {
        [' '] = true,
        ['!'] = true,
        ['#' ... '['] = true,
        [']' ... 0x7f] = true,
};

static int read_value(JsonText *text, json_t **ret);

static void skip_blanks(JsonText *text) {
        while (text->p < text->end &&
               (*text->p == ' ' || *text->p == '\t' || *text->p == '\n' || *text->p == '\r'))
                text->p++;
}

static bool skip(JsonText *text, char c) {
        if (text->p == text->end || *text->p != c)
                return false;

        text->p++;
        return true;
}

static bool skip_word(JsonText *text, const char *word) {
        size_t n = strlen(word);

        if ((size_t)(text->end - text->p) < n || memcmp(text->p, word, n) != 0)
                return false;

        text->p += n;
        return true;
}

/* Strings. */

/* How many bytes the UTF-8 character has that stands there; 0 if it is none. */
static size_t character_length(const JsonText *text) {
        const unsigned char *c = (const unsigned char *)text->p;
        size_t n = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint32_t value = n == 1 ? c[0] : c[0] & (0x7fU >> n);

        if ((c[0] >= 0x80 && c[0] < 0xc2) || c[0] > 0xf4 || (size_t)(text->end - text->p) < n)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
                value = value << 6 | (c[i] & 0x3f);
        }

        return value < least[n - 1] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff ? 0
                                                                                                : n;
}

/* The four digits behind \u. */
static bool read_unit(JsonText *text, uint32_t *ret) {
        uint32_t value = 0;

        if (text->end - text->p < 4)
                return false;
        for (int i = 0; i < 4; i++) {
                int digit = hex_value(*text->p++);

                if (digit < 0)
                        return false;
                value = value << 4 | (uint32_t)digit;
        }

        *ret = value;
        return true;
}

static char *put_character(char *to, uint32_t value) {
        if (value < 0x80) {
                *to++ = (char)value;
                return to;
        }

        if (value < 0x800)
                *to++ = (char)(0xc0 | value >> 6);
        else {
                if (value < 0x10000)
                        *to++ = (char)(0xe0 | value >> 12);
                else {
                        *to++ = (char)(0xf0 | value >> 18);
                        *to++ = (char)(0x80 | (value >> 12 & 0x3f));
                }
                *to++ = (char)(0x80 | (value >> 6 & 0x3f));
        }
        *to++ = (char)(0x80 | (value & 0x3f));
        return to;
}

/* What stands behind \u, in one or two of them; NULL if it is nothing that a string can hold. */
static char *read_escaped_character(JsonText *text, char *to) {
        uint32_t value, low;

        if (!read_unit(text, &value) || value == 0 || (value >= 0xdc00 && value <= 0xdfff))
                return NULL;
        if (value >= 0xd800 && value <= 0xdbff) {
                if (!skip_word(text, "\\u") || !read_unit(text, &low) || low < 0xdc00 ||
                    low > 0xdfff)
                        return NULL;
                value = 0x10000 + ((value & 0x3ff) << 10 | (low & 0x3ff));
        }

        return put_character(to, value);
}

/* What stands behind a backslash; NULL if it is nothing. */
static char *read_escape(JsonText *text, char *to) {
        static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *letter;
        char c;

        if (text->p == text->end)
                return NULL;
        c = *text->p++;
        if (c == 'u')
                return read_escaped_character(text, to);

        letter = c ? strchr(letters, c) : NULL;
        if (!letter)
                return NULL;

        *to++ = meanings[letter - letters];
        return to;
}

/* As most are. */
static char *read_plain(JsonText *text, char *to) {
        const char *p = text->p;
        size_t n;

        while (p < text->end && (unsigned char)*p < 0x80 && is_plain[(unsigned char)*p])
                p++;

        n = (size_t)(p - text->p);
        memcpy(to, text->p, n);
        text->p = p;
        return to + n;
}

/* At a quote. The string is put together in its place, with a NUL behind it. */
static int read_characters(JsonText *text, size_t *ret_n) {
        char *to = text->strings;

        if (!skip(text, '"'))
                return -EBADMSG;

        while (to = read_plain(text, to), !skip(text, '"')) {
                size_t n;

                if (text->p == text->end || (unsigned char)*text->p < ' ')
                        return -EBADMSG;
                if (skip(text, '\\')) {
                        to = read_escape(text, to);
                        if (!to)
                                return -EBADMSG;
                        continue;
                }

                n = character_length(text);
                if (n == 0)
                        return -EBADMSG;
                memcpy(to, text->p, n);
                to += n;
                text->p += n;
        }

        *to = 0;
        *ret_n = (size_t)(to - text->strings);
        return 0;
}

static int read_string(JsonText *text, json_t **ret) {
        size_t n;
        int r;

        r = read_characters(text, &n);
        if (r < 0)
                return r;

        *ret = json_stringn_nocheck(text->strings, n);
        return *ret ? 0 : -ENOMEM;
}

/* Numbers. */

static bool skip_digits(JsonText *text) {
        const char *begin = text->p;

        while (text->p < text->end && *text->p >= '0' && *text->p <= '9')
                text->p++;
        return text->p > begin;
}

/* Whether one stands there, and whether it has a fraction or an exponent. */
static bool skip_number(JsonText *text, bool *ret_real) {
        bool real = false;

        (void)skip(text, '-');
        if (!skip(text, '0') && !skip_digits(text))
                return false;
        if (skip(text, '.')) {
                real = true;
                if (!skip_digits(text))
                        return false;
        }
        if (skip(text, 'e') || skip(text, 'E')) {
                real = true;
                (void)(skip(text, '+') || skip(text, '-'));
                if (!skip_digits(text))
                        return false;
        }

        *ret_real = real;
        return true;
}

/* In the words of the program's locale, which is what strtod(3) reads. */
static int real_new(char *number, json_t **ret) {
        char *point = strchr(number, '.');
        const char *local = localeconv()->decimal_point;
        double value;

        if (point && strlen(local) == 1)
                *point = *local;
        value = strtod(number, NULL);
        if (!isfinite(value))
                return -EBADMSG;

        *ret = json_real(value);
        return *ret ? 0 : -ENOMEM;
}

static int read_number(JsonText *text, json_t **ret) {
        const char *begin = text->p;
        long long value;
        bool real;
        size_t n;

        if (!skip_number(text, &real))
                return -EBADMSG;

        n = (size_t)(text->p - begin);
        memcpy(text->strings, begin, n);
        text->strings[n] = 0;
        if (real)
                return real_new(text->strings, ret);

        errno = 0;
        value = strtoll(text->strings, NULL, 10);
        if (errno != 0)
                return -EBADMSG;

        *ret = json_integer(value);
        return *ret ? 0 : -ENOMEM;
}

/* Arrays, objects. */

static int read_element(JsonText *text, json_t *array) {
        json_t *value = NULL;
        int r;

        r = read_value(text, &value);
        if (r < 0)
                return r;

        return json_array_append_new(array, value) < 0 ? -ENOMEM : 0;
}

static int read_member(JsonText *text, json_t *object) {
        char *key = text->strings;
        size_t n, n_members = json_object_size(object);
        json_t *value = NULL;
        int r;

        skip_blanks(text);
        r = read_characters(text, &n);
        if (r < 0)
                return r;
        skip_blanks(text);
        if (!skip(text, ':'))
                return -EBADMSG;

        text->strings += n + 1;
        r = read_value(text, &value);
        text->strings = key;
        if (r < 0)
                return r;

        if (json_object_set_new_nocheck(object, key, value) < 0)
                return -ENOMEM;
        /* One that was there already has another value now. */
        return json_object_size(object) > n_members ? 0 : -EBADMSG;
}

/* Behind the bracket. */
static int read_members(JsonText *text, json_t *container, char bracket,
                        int (*read)(JsonText *text, json_t *container)) {
        int r;

        if (!container)
                return -ENOMEM;
        if (text->depth == 0)
                return -EBADMSG;
        text->depth--;

        skip_blanks(text);
        if (!skip(text, bracket))
                for (;;) {
                        r = read(text, container);
                        if (r < 0)
                                return r;
                        skip_blanks(text);
                        if (skip(text, bracket))
                                break;
                        if (!skip(text, ','))
                                return -EBADMSG;
                }

        text->depth++;
        return 0;
}

static int read_container(JsonText *text, json_t **ret) {
        json_t *container;
        int r;

        if (skip(text, '{')) {
                container = json_object();
                r = read_members(text, container, '}', read_member);
        } else {
                text->p++;
                container = json_array();
                r = read_members(text, container, ']', read_element);
        }

        if (r < 0)
                json_decref(container);
        else
                *ret = container;
        return r;
}

static int read_value(JsonText *text, json_t **ret) {
        skip_blanks(text);
        if (text->p == text->end)
                return -EBADMSG;

        switch (*text->p) {
        case '{':
        case '[':
                return read_container(text, ret);
        case '"':
                return read_string(text, ret);
        case 't':
                *ret = json_true();
                return skip_word(text, "true") ? 0 : -EBADMSG;
        case 'f':
                *ret = json_false();
                return skip_word(text, "false") ? 0 : -EBADMSG;
        case 'n':
                *ret = json_null();
                return skip_word(text, "null") ? 0 : -EBADMSG;
        default:
                return read_number(text, ret);
        }
}

static int read_object(JsonText *text, json_t **ret) {
        json_t *object = NULL;
        int r;

        skip_blanks(text);
        if (text->p == text->end || *text->p != '{')
                return -EBADMSG;
        r = read_value(text, &object);
        if (r < 0)
                return r;

        skip_blanks(text);
        if (text->p < text->end) {
                json_decref(object);
                return -EBADMSG;
        }

        *ret = object;
        return 0;
}

int jsontext_read(const char *text, size_t n, unsigned depth_max, json_t **ret) {
        _cleanup_free_ char *strings = malloc(n + 1);
        JsonText reader = {
                .p = text,
                .end = text + n,
                .strings = strings,
                .depth = depth_max,
        };
        int r;

        if (!strings)
                return -ENOMEM;

        r = read_object(&reader, ret);
        /* What was in it can have been a password. */
        explicit_bzero(strings, n + 1);
        return r;
}

/* Making. */

json_t *jsontext_new_object(const JsonMember *members, size_t n) {
        json_t *object = json_object();

        for (size_t i = 0; i < n; i++)
                if (members[i].text &&
                    json_object_set_new_nocheck(object, members[i].key,
                                                json_string_nocheck(members[i].text)) < 0) {
                        json_decref(object);
                        return NULL;
                }

        return object;
}

json_t *jsontext_add(json_t *object, const char *key, json_t *value) {
        if (json_object_set_new(object, key, value) < 0) {
                json_decref(object);
                return NULL;
        }

        return object;
}
