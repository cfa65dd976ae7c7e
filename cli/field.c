/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "cli/field.h"
#include "cli/text.h"

#define LABEL_WIDTH 12
#define TEXT_INDENT (LABEL_WIDTH + 2)

void field_print(const char *label, const char *text) {
        (void)printf("%*s%s ", LABEL_WIDTH, label, *label ? ":" : " ");
        text_print_wrapped(stdout, text, TEXT_INDENT, text_columns());
        (void)putchar('\n');
}

void field_printf(const char *label, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0)
                text = NULL;

        field_print(label, text ?: "?");
}

void field_print_strings(const char *label, const json_t *strings) {
        json_t *string;
        size_t i;

        json_array_foreach(strings, i, string) {
                field_print(i == 0 ? label : "", json_string_value(string));
        }
}

void field_print_list(const char *label, const json_t *strings, const char *none) {
        char text[512] = "";
        json_t *string;
        size_t i, n = 0;

        json_array_foreach(strings, i, string) {
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "",
                                      json_string_value(string));
                if (n >= sizeof(text))
                        break;
        }

        field_print(label, n > 0 ? text : none);
}
