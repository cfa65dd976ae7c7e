/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/lease-id.h"
#include "cli/lease.h"
#include "cli/moment.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/user.h"

#define FOOTER_TRACKED                                                                          \
        "The end of a tracked lease is recorded, but the kernel cannot recall what was handed " \
        "over."

/* Whom the service sees: where that is the client, the user. */
static const char *row_connect_as(const Lease *lease, const char *user) {
        return lease->connect_as && streq(lease->connect_as, "client") ? user : lease->connect_as;
}

static void row_add(const Lease *lease, size_t digits, int64_t now, Table *table) {
        char user[USER_TEXT_SIZE], since[MOMENT_TEXT_SIZE], until[MOMENT_TEXT_SIZE];

        table_addf(table, "%.*s", (int)digits, lease->id);
        table_add(table, user_to_string(lease->uid, user));
        table_addf(table, "%" PRId64, lease->pid);
        table_add(table, lease->command);
        /* The scope of a session has its number in its name. */
        table_add(table, lease->unit ?: lease->session);
        table_add(table, lease->endpoint);
        table_add(table, access_to_string((Access)lease->access));
        table_add(table, lease_mode_to_string((LeaseMode)lease->mode));
        table_add(table, row_connect_as(lease, user));
        table_add(table, moment_to_short_string(lease->since, now, since));
        table_add(table,
                  lease->expires > 0 ? moment_to_short_string(lease->expires, now, until) : NULL);
        table_addf(table, "%" PRId64, lease->descriptors);
        table_add(table, lease->kept ? "yes" : "no");
}

static int leases_print(const Options *options, const json_t *list) {
        static const char *const headings[] = {"ID",       "USER",   "PID",  "COMMAND",    "WHERE",
                                               "ENDPOINT", "ACCESS", "MODE", "CONNECT-AS", "SINCE",
                                               "UNTIL",    "FDS",    "KEPT"};
        bool legend = !options_has(options, OPTION_NO_LEGEND), tracked = false;
        _cleanup_(table_deinit) Table table;
        size_t i, digits = lease_id_shown(list);
        int64_t now = moment_now();
        json_t *object;
        int r;

        table_init(&table, ELEMENTSOF(headings));
        for (i = 0; i < table.n_columns; i++)
                table_add(&table, headings[i]);

        json_array_foreach(list, i, object) {
                Lease lease;

                r = lease_read(object, &lease);
                if (r < 0)
                        return r;
                row_add(&lease, digits, now, &table);
                if (lease.mode == LEASE_MODE_TRACKED)
                        tracked = true;
        }

        output_begin_text(options->output);
        r = table_print(&table, legend, stdout);
        if (r == 0 && legend && tracked)
                (void)puts("\n" FOOTER_TRACKED);
        return r;
}

static int leases_show(const Options *options, json_t *list) {
        int r = 0;

        if (options->json != JSON_OFF)
                r = output_json_consume(json_incref(list), options->json);
        else if (json_array_size(list) > 0)
                r = leases_print(options, list);
        else if (!options_has(options, OPTION_NO_LEGEND))
                (void)puts("No leases.");

        return r < 0 ? report_errno(options, r, "Cannot print the leases") : EXIT_STATUS_OK;
}

int command_leases(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(wire_freep) Wire *wire = NULL;
        json_t *list = NULL;
        int r, status;

        (void)arguments;
        (void)n;
        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, &error);
        if (r == 0)
                r = lease_list(wire, options_has(options, OPTION_ALL), &list, &error);
        if (r < 0)
                return report_error(options, &error);

        status = leases_show(options, list);
        json_decref(list);
        return status;
}
