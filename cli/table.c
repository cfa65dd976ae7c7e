/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "cli/table.h"
#include "cli/text.h"

void table_init(Table *table, size_t n_columns) {
        *table = (Table){.n_columns = n_columns};
}

void table_deinit(Table *table) {
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i]);
        free(table->cells);
        table_init(table, table->n_columns);
}

void table_add(Table *table, const char *text) {
        char **cells, *cell;

        cells = reallocarray(table->cells, table->n_cells + 1, sizeof(char *));
        if (!cells) {
                table->failed = true;
                return;
        }
        table->cells = cells;

        cell = text_escape(text && *text ? text : "-");
        if (!cell)
                table->failed = true;
        else
                table->cells[table->n_cells++] = cell;
}

void table_addf(Table *table, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);

        if (r < 0) {
                text = NULL;
                table->failed = true;
        } else
                table_add(table, text);
}

static void row_print(const Table *table, size_t row, const size_t *widths, FILE *f) {
        char **cells = table->cells + row * table->n_columns;

        for (size_t i = 0; i < table->n_columns; i++) {
                bool last = i + 1 == table->n_columns;

                (void)fputs(cells[i], f);
                if (last)
                        (void)fputc('\n', f);
                else
                        for (size_t n = text_width(cells[i]); n < widths[i] + 1; n++)
                                (void)fputc(' ', f);
        }
}

int table_print(const Table *table, bool legend, FILE *f) {
        size_t n_rows = table->n_cells / table->n_columns, widths[TABLE_COLUMNS_MAX] = {};
        size_t first = legend ? 0 : 1;

        if (table->failed || table->n_columns > TABLE_COLUMNS_MAX ||
            table->n_cells % table->n_columns != 0)
                return -ENOMEM;

        for (size_t row = first; row < n_rows; row++)
                for (size_t i = 0; i < table->n_columns; i++) {
                        size_t width = text_width(table->cells[row * table->n_columns + i]);

                        if (width > widths[i])
                                widths[i] = width;
                }

        for (size_t row = first; row < n_rows; row++)
                row_print(table, row, widths, f);

        return ferror(f) ? -EIO : 0;
}
