/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/nearest.h"

#define WORD_MAX 64U
#define DISTANCE_MAX 3U

/* Whatever the locale. */
static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
        unsigned m = a < b ? a : b;

        return m < c ? m : c;
}

/* Optimal string alignment: three rows of the usual matrix, the two before and this one. */
static unsigned distance(const char *a, const char *b) {
        unsigned rows[3][WORD_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > WORD_MAX || m > WORD_MAX)
                return UINT32_MAX;

        for (unsigned j = 0; j <= m; j++)
                rows[0][j] = j;

        for (size_t i = 1; i <= n; i++) {
                unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *top = rows[(i + 1) % 3];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= m; j++) {
                        unsigned cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;

                        row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
                        if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                            lower(a[i - 2]) == lower(b[j - 1]) && top[j - 2] + 1 < row[j])
                                row[j] = top[j - 2] + 1;
                }
        }

        return rows[n % 3][m];
}

const char *nearest_find(const char *word, const char *const *candidates) {
        size_t third = (strlen(word) + 2) / 3;
        unsigned best = third < DISTANCE_MAX ? (unsigned)third : DISTANCE_MAX;
        const char *found = NULL;

        for (; *candidates; candidates++) {
                unsigned d = distance(word, *candidates);

                if (d < best || (d == best && !found)) {
                        best = d;
                        found = *candidates;
                }
        }

        return found;
}
