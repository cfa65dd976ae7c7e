#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Table: columns for people
 *
 * Cells are copied and made harmless: what a definition or the broker says must not be able to move
 * a terminal's cursor. Widths are those of characters as the locale has them, not of bytes. The
 * last column is neither padded nor cut.
 */

#include <stdio.h>

#include "common/macros.h"

#define TABLE_COLUMNS_MAX 16U

typedef struct Table {
        size_t n_columns;
        char **cells; /* row by row, the headings first */
        size_t n_cells;
        bool failed; /* of memory */
} Table;

void table_init(Table *table, size_t n_columns);
void table_deinit(Table *table);

/* Adds one cell; each row is as many as there are columns. NULL is an empty cell, shown as "-". */
void table_add(Table *table, const char *text);
void table_addf(Table *table, const char *format, ...) _printf_(2, 3);

/* Prints it, with the first row, the headings, only if asked for. -ENOMEM if a cell is missing,
 * -EIO. */
int table_print(const Table *table, bool legend, FILE *f) _must_check_;
