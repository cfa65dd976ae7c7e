/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "cli/field.h"
#include "cli/text.h"

#define LABEL_WIDTH 12

void field_print_at(int width, const char *label, const char *text) {
        (void)printf("%*s%s ", width, label, *label ? ":" : " ");
        text_print_wrapped(stdout, text, (size_t)width + 2, text_columns());
}

static void print_formatted(int width, const char *label, const char *format, va_list args)
        _printf_(3, 0);

static void print_formatted(int width, const char *label, const char *format, va_list args) {
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        field_print_at(width, label, text ?: "?");
}

void field_printf_at(int width, const char *label, const char *format, ...) {
        va_list args;

        va_start(args, format);
        print_formatted(width, label, format, args);
        va_end(args);
}

void field_print(const char *label, const char *text) {
        field_print_at(LABEL_WIDTH, label, text);
}

void field_printf(const char *label, const char *format, ...) {
        va_list args;

        va_start(args, format);
        print_formatted(LABEL_WIDTH, label, format, args);
        va_end(args);
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
