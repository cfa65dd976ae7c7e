/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/transport-lines.h"
#include "common/utf8.h"

static void lines_keep(Lines *lines, const char *line) {
        char *kept = lines->kept[lines->n_kept % LINES_KEPT];

        (void)memccpy(kept, line, 0, LINES_KEPT_TEXT + 1);
        kept[LINES_KEPT_TEXT] = 0;
        utf8_clean(kept, LINES_KEPT_TEXT);
        lines->n_kept++;
}

void lines_end(Lines *lines, LinesFunc func, void *userdata) {
        size_t n = lines->n;

        /* ssh ends its lines as terminals have it. */
        while (n > 0 && (lines->line[n - 1] == '\r' || lines->line[n - 1] == ' '))
                n--;
        lines->line[n] = 0;
        lines->n = 0;
        if (n == 0)
                return;

        if (!transport_line_is_news(lines->line))
                lines_keep(lines, lines->line);
        func(lines->line, userdata);
}

void lines_add(Lines *lines, const char *data, size_t size, LinesFunc func, void *userdata) {
        for (size_t i = 0; i < size; i++)
                if (data[i] == '\n')
                        lines_end(lines, func, userdata);
                else if (lines->n < TRANSPORT_TEXT_MAX)
                        /* A NUL would end it for whoever reads it, and not for us. */
                        lines->line[lines->n++] = data[i] ?: '?';
}

void lines_join(const Lines *lines, char buf[TRANSPORT_TEXT_MAX + 1]) {
        size_t first = lines->n_kept > LINES_KEPT ? lines->n_kept - LINES_KEPT : 0;
        char *end = buf;

        *end = 0;
        for (size_t i = first; i < lines->n_kept; i++)
                end = stpcpy(stpcpy(end, i > first ? "; " : ""), lines->kept[i % LINES_KEPT]);
}
