/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/level.h"
#include "cli/observed.h"
#include "cli/report.h"
#include "cli/table.h"
#include "client/query.h"

typedef struct Row {
        const char *name;
        const char *description;
        const char *connect_as;
        const char *problem;
        json_t *instances;
        Level levels[_ACCESS_MAX];
        Observed observed;
} Row;

static int row_read(json_t *endpoint, Row *row) {
        json_t *read_only, *full, *observation = NULL;
        const WireField fields[] = {
                {"name", WIRE_STRING, false, &row->name},
                {"description", WIRE_STRING, false, &row->description},
                {"connectAs", WIRE_STRING, false, &row->connect_as},
                {"problem", WIRE_STRING, true, &row->problem},
                {"instances", WIRE_STRINGS, false, &row->instances},
                {"readOnly", WIRE_OBJECT, false, &read_only},
                {"full", WIRE_OBJECT, false, &full},
                {"observation", WIRE_OBJECT, true, &observation},
                {},
        };
        int r;

        r = wire_read(endpoint, fields);
        if (r == 0)
                r = level_read(read_only, &row->levels[ACCESS_READ_ONLY]);
        if (r == 0)
                r = level_read(full, &row->levels[ACCESS_FULL]);
        if (r == 0)
                r = observed_read(observation, &row->observed);

        return r;
}

/* What one must know besides, in brackets behind the description. */
static void row_write_notes(const Row *row, FILE *f) {
        bool controls = row->levels[ACCESS_READ_ONLY].device_controls;
        bool instances = json_array_size(row->instances) > 0;
        json_t *pattern;
        size_t i;

        if (!instances && !controls)
                return;

        (void)fputs(instances ? " (instances:" : " (", f);
        json_array_foreach(row->instances, i, pattern)
                (void)fprintf(f, " %s", json_string_value(pattern));
        if (controls)
                (void)fprintf(f, "%sread-only: no writes, but device controls work",
                              instances ? "; " : "");
        (void)fputc(')', f);
}

/* NULL: no memory. */
static char *row_describe(const Row *row) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;

        (void)fputs(row->description, f);
        row_write_notes(row, f);
        if (row->observed.group) {
                _cleanup_free_ char *observed = observed_describe(&row->observed);

                (void)fprintf(f, " [%s]", observed ?: "observed");
        }
        if (row->problem)
                (void)fprintf(f, " [not available: %s]", row->problem);

        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* Who is let in because of a group is asked for nothing, whatever polkit says.
 * Root is asked for no password, by polkit as little as by a definition. */
static const char *row_answer(const Row *row, Access access, ChallengeFinder *finder) {
        Level level = row->levels[access];
        Whose whose = WHOSE_UNKNOWN;

        if (level.provided && row->observed.admitted)
                return "observed";
        if (level.provided && level.decision == DECISION_CHALLENGE)
                whose = challenge_find(finder, row->name, row->instances, (int)access,
                                       level.action);
        if (geteuid() == 0)
                level.step_up = false;
        return level_answer(&level, whose);
}

/* Without a finder the name alone. */
static void row_add(const Row *row, ChallengeFinder *finder, Table *table) {
        _cleanup_free_ char *description = NULL;

        table_add(table, row->name);
        if (!finder)
                return;

        description = row_describe(row);
        if (!description)
                table->failed = true;

        table_add(table, row_answer(row, ACCESS_READ_ONLY, finder));
        table_add(table, row_answer(row, ACCESS_FULL, finder));
        table_add(table, row->connect_as);
        table_add(table, description);
}

/* All endpoints, as an array of the interface's Endpoint. */
static int list_get(bool check, json_t **ret, doorward_error *error) {
        _cleanup_(query_end) Query query = QUERY_NULL;
        int r;

        r = query_begin(&query, NULL, error);
        if (r == 0)
                r = query_list(&query, METHOD_LIST_ENDPOINTS,
                               json_pack("{s:b}", "decisions", check), "endpoint", ret, error);
        return r;
}

static int list_print(const Options *options, const json_t *list, doorward_error *error) {
        static const char *const headings[] = {"ENDPOINT", "READ-ONLY", "FULL", "CONNECT-AS",
                                               "DESCRIPTION"};
        bool check = !options_has(options, OPTION_NO_CHECK);
        _cleanup_(challenge_finder_freep) ChallengeFinder *finder = NULL;
        _cleanup_(table_deinit) Table table;
        json_t *endpoint;
        size_t i;
        int r;

        if (check)
                finder = challenge_finder_new();
        if (check && !finder)
                return error_no_memory(error);

        table_init(&table, check ? ELEMENTSOF(headings) : 1);
        for (i = 0; i < table.n_columns; i++)
                table_add(&table, headings[i]);

        json_array_foreach(list, i, endpoint) {
                Row row = {};

                r = row_read(endpoint, &row);
                if (r < 0)
                        return wire_error_protocol(error, "The broker's list cannot be read.");
                row_add(&row, finder, &table);
        }

        output_begin_text(options->output);
        return table_print(&table, !options_has(options, OPTION_NO_LEGEND), stdout);
}

int command_list(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        json_t *list = NULL;
        int r;

        (void)arguments;
        (void)n;
        r = list_get(!options_has(options, OPTION_NO_CHECK), &list, &error);
        if (r < 0)
                return report_error(options, &error);

        if (options->json != JSON_OFF)
                r = output_json_consume(list, options->json);
        else {
                r = list_print(options, list, &error);
                json_decref(list);
        }
        if (r < 0)
                return error.code ? report_error(options, &error)
                                  : report_errno(options, r, "Cannot print the list");

        return EXIT_STATUS_OK;
}
