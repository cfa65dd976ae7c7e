/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/ioctl.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/text.h"

#define COLUMNS_DEFAULT 80U
#define COLUMNS_MIN 40U
#define COLUMNS_MAX 120U

/* The length of the character at text in bytes, and its width; 0 for what cannot be shown. */
static size_t character_at(const char *text, int *ret_width) {
        mbstate_t state = {};
        wchar_t c;
        size_t n;

        n = mbrtowc(&c, text, strlen(text), &state);
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2 || !iswprint((wint_t)c))
                return 0;

        *ret_width = wcwidth(c);
        return n;
}

char *text_escape(const char *text) {
        char *escaped, *p;
        int width;

        escaped = p = malloc(strlen(text) + 1);
        if (!escaped)
                return NULL;

        while (*text) {
                size_t n = character_at(text, &width);

                if (n == 0) {
                        *p++ = *text == '\n' || *text == '\t' ? ' ' : '?';
                        text++;
                } else {
                        memcpy(p, text, n);
                        p += n;
                        text += n;
                }
        }

        *p = 0;
        return escaped;
}

size_t text_width(const char *text) {
        size_t total = 0;
        int width;

        while (*text) {
                size_t n = character_at(text, &width);

                total += n > 0 && width >= 0 ? (size_t)width : 1;
                text += n > 0 ? n : 1;
        }

        return total;
}

void text_print_wrapped(FILE *f, const char *text, size_t indent, size_t width) {
        _cleanup_free_ char *escaped = text_escape(text);
        size_t column = indent;
        char *saved = NULL;

        for (char *word = escaped ? strtok_r(escaped, " ", &saved) : NULL; word;
             word = strtok_r(NULL, " ", &saved)) {
                size_t n = text_width(word);

                if (column > indent && column + 1 + n > width) {
                        (void)fprintf(f, "\n%*s", (int)indent, "");
                        column = indent;
                } else if (column > indent) {
                        (void)fputc(' ', f);
                        column++;
                }
                (void)fputs(word, f);
                column += n;
        }
        (void)fputc('\n', f);
}

void text_print_quoted(FILE *f, const char *text) {
        (void)fputc('"', f);
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                if (c == '"' || c == '\\')
                        (void)fprintf(f, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        (void)fprintf(f, "\\u%04x", c);
                else
                        (void)fputc(c, f);
        }
        (void)fputc('"', f);
}

size_t text_columns(void) {
        struct winsize size;

        /* Standard output may be a pager's by now: standard error tells the terminal. */
        if ((ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 &&
             ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0) ||
            size.ws_col == 0)
                return COLUMNS_DEFAULT;
        if (size.ws_col < COLUMNS_MIN)
                return COLUMNS_MIN;
        return size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col;
}
