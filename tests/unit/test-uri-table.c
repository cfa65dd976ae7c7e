/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of URIs: each is exactly what uri-table.txt says
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/uri.h"

#define LINES_MIN 500
#define HINTS_MAX 32U

typedef struct Hint {
        char name[32];
        char text[256];
} Hint;

typedef struct Table {
        FILE *file;
        Hint hints[HINTS_MAX];
        size_t n_hints;
        unsigned line;
        unsigned n_good, n_bad, n_wrong;
} Table;

/* All that is wrong is said before the test ends. */
static void complain(Table *table, const char *format, ...) _printf_(2, 3);
static void complain(Table *table, const char *format, ...) {
        va_list args;

        print_error("line %u: ", table->line);
        va_start(args, format);
        vprint_error(format, args);
        va_end(args);
        print_error("\n");
        table->n_wrong++;
}

/* "\x0a", which could not stand in a line. */
static void unescape(char *text) {
        char *to = text;

        while (*text) {
                unsigned c;

                if (text[0] == '\\' && text[1] == 'x' && sscanf(text + 2, "%2x", &c) == 1) {
                        *to++ = (char)c;
                        text += 4;
                } else
                        *to++ = *text++;
        }

        *to = 0;
}

static const char *hint_find(Table *table, const char *name) {
        for (size_t i = 0; i < table->n_hints; i++)
                if (streq(table->hints[i].name, name))
                        return table->hints[i].text;

        complain(table, "there is no hint %s", name);
        return "";
}

static void hint_add(Table *table, const char *name, const char *text) {
        Hint *hint = &table->hints[table->n_hints++];

        assert_true(table->n_hints <= HINTS_MAX);
        (void)snprintf(hint->name, sizeof(hint->name), "%s", name);
        (void)snprintf(hint->text, sizeof(hint->text), "%s", text);
}

static void expect_text(Table *table, const char *uri, const char *text, const char *expected) {
        if (!text || !streq(text, expected))
                complain(table, "%s: \"%s\" is not \"%s\"", uri, text ?: "nothing", expected);
}

static void expect_uri(Table *table, const char *text, const Uri *uri, const Uri *expected) {
        if (memcmp(uri, expected, offsetof(Uri, keyfile)) != 0 ||
            !streq(uri->keyfile, expected->keyfile))
                complain(table, "%s says something else", text);
}

/* Also that its canonical form is the same, and its own canonical form. */
static void check_good(Table *table, const char *text, const char *canonical) {
        doorward_error error = {};
        char buf[URI_TEXT_SIZE], again_buf[URI_TEXT_SIZE];
        Uri uri, again;

        if (uri_parse(text, &uri, &error) < 0) {
                complain(table, "%s %s", error.message, error.hint);
                doorward_error_clear(&error);
                return;
        }
        expect_text(table, text, uri_to_string(&uri, buf), canonical);

        if (uri_parse(buf, &again, &error) < 0) {
                complain(table, "%s %s", error.message, error.hint);
                doorward_error_clear(&error);
                return;
        }
        expect_uri(table, buf, &again, &uri);
        expect_text(table, buf, uri_to_string(&again, again_buf), canonical);
        table->n_good++;
}

static void check_bad(Table *table, const char *text, const char *class, char *why,
                      const char *hint) {
        char message[ERROR_TEXT_MAX], meant[ERROR_TEXT_MAX];
        doorward_error error = {};
        Uri uri;

        if (uri_parse(text, &uri, &error) != -EINVAL) {
                complain(table, "%s was taken", text);
                return;
        }
        expect_text(table, text, doorward_error_code_to_string(error.code), class);
        assert_int_equal(error.domain, DOORWARD_DOMAIN_LIBRARY);
        assert_int_equal(error.errnum, EINVAL);

        unescape(why);
        if (why[0] == '=')
                (void)snprintf(message, sizeof(message), "%s", why + 1);
        else
                (void)snprintf(message, sizeof(message),
                               "\"%.100s\" does not name an endpoint: %s.", text, why);
        expect_text(table, text, error.message, message);

        if (hint[0] == '?')
                (void)snprintf(meant, sizeof(meant), "Did you mean %s?", hint + 1);
        expect_text(table, text, error.hint, hint[0] == '?' ? meant : hint_find(table, hint));

        /* Whose suggestion is followed does not meet the next error. */
        if (strncmp(hint, "?doorward", strlen("?doorward")) == 0)
                assert_int_equal(uri_parse(hint + 1, &uri, NULL), 0);
        doorward_error_clear(&error);
        table->n_bad++;
}

static void check_line(Table *table, char *line) {
        char *columns[5] = {};
        size_t n = 0;

        line[strcspn(line, "\n")] = 0;
        if (!line[0] || streq(line, "#") || strncmp(line, "# ", 2) == 0)
                return;

        while (n < ELEMENTSOF(columns) && (columns[n] = strsep(&line, "\t")))
                n++;

        if (n == 2 && columns[0][0] == '@') {
                hint_add(table, columns[0], columns[1]);
                return;
        }

        unescape(columns[0]);
        if (n == 2)
                check_good(table, columns[0], columns[1]);
        else if (n == 4)
                check_bad(table, columns[0], columns[1], columns[2], columns[3]);
        else
                complain(table, "there are %zu columns", n);
}

static void test_table(void **state) {
        Table table = {.file = fopen(SOURCE_DIR "/tests/unit/uri-table.txt", "re")};
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        assert_non_null(table.file);
        while (getline(&line, &size, table.file) > 0) {
                table.line++;
                check_line(&table, line);
        }
        assert_int_equal(fclose(table.file), 0);

        assert_int_equal(table.n_wrong, 0);
        assert_true(table.n_good + table.n_bad >= LINES_MIN);
        assert_true(table.n_good >= 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
