/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "policy/strv.h"

#define BLANK " \t"

size_t strv_length(char *const *strv) {
        size_t n = 0;

        while (strv && strv[n])
                n++;
        return n;
}

bool strv_contains(char *const *strv, const char *text) {
        for (; strv && *strv; strv++)
                if (streq(*strv, text))
                        return true;
        return false;
}

int strv_push_consume(char ***strv, char *text) {
        _cleanup_free_ char *owned = text;
        size_t n = strv_length(*strv);
        char **grown;

        if (!owned)
                return -ENOMEM;

        grown = reallocarray(*strv, n + 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        grown[n] = TAKE_PTR(owned);
        grown[n + 1] = NULL;
        *strv = grown;
        return 0;
}

int strv_push(char ***strv, const char *text) {
        return strv_push_consume(strv, strdup(text));
}

int strv_push_words(char ***strv, const char *text) {
        for (const char *word = text + strspn(text, BLANK); *word;) {
                size_t n = strcspn(word, BLANK);
                int r = strv_push_consume(strv, strndup(word, n));

                if (r < 0)
                        return r;
                word += n;
                word += strspn(word, BLANK);
        }

        return 0;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **strv) {
        if (strv)
                qsort(strv, strv_length(strv), sizeof(*strv), compare);
}

char *strv_format(const char *format, ...) {
        char *text;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        return n < 0 ? NULL : text;
}
