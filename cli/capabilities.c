/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/field.h"
#include "cli/level.h"
#include "cli/report.h"
#include "client/capabilities.h"

#define GIB (1024.0 * 1024.0 * 1024.0)

/* The member of a member; NULL if there is none. */
static const json_t *member(const json_t *object, const char *part, const char *name) {
        return json_object_get(json_object_get(object, part), name);
}

static const char *text(const json_t *object, const char *part, const char *name) {
        return json_string_value(member(object, part, name)) ?: "?";
}

static json_int_t number(const json_t *object, const char *part, const char *name) {
        return json_integer_value(member(object, part, name));
}

static bool is_true(const json_t *object, const char *part, const char *name) {
        return json_is_true(member(object, part, name));
}

static void print_machine(const json_t *c) {
        field_printf("Machine", "%s, %s", text(c, "host", "hostname"), text(c, "host", "osName"));
        field_printf("Kernel", "%s (%s)%s%s", text(c, "host", "kernel"),
                     text(c, "host", "architecture"),
                     is_true(c, "kernel", "pidfd") ? ", pidfd" : "",
                     is_true(c, "kernel", "peerPidfd") ? ", SO_PEERPIDFD" : "");
        field_printf("Hardware",
                     "processors: %" JSON_INTEGER_FORMAT ", NUMA nodes: %zu, memory: %.1f GiB, of "
                     "which available: %.1f GiB",
                     number(c, "host", "cpus"), json_array_size(member(c, "host", "nodes")),
                     (double)number(c, "host", "memoryTotal") / GIB,
                     (double)number(c, "host", "memoryAvailable") / GIB);
}

static void print_broker(const json_t *c) {
        field_print("Library", text(c, "library", "version"));
        field_printf("Broker", "%s, %s (%" JSON_INTEGER_FORMAT ") at %s",
                     text(c, "broker", "version"), text(c, "broker", "interface"),
                     number(c, "broker", "protocol"), text(c, "broker", "socket"));
        field_print("Secure", is_true(c, "broker", "secure") ? "yes" : "no");
        field_print_list("Features", member(c, "broker", "features"), "none");
        field_print("Policy", json_string_value(member(c, "policy", "authority"))
                                      ?: "polkit was not reached yet");
        field_print_list("", member(c, "policy", "features"), "features are not known");
        field_print_list("Passwords", member(c, "authentication", "mechanisms"),
                         "how they are asked for is not known");
}

/* -EBADMSG. */
static int print_endpoint(const char *label, const json_t *endpoint) {
        json_t *read_only, *full;
        const char *name;
        const WireField fields[] = {
                {"name", WIRE_STRING, false, &name},
                {"readOnly", WIRE_OBJECT, false, &read_only},
                {"full", WIRE_OBJECT, false, &full},
                {},
        };
        Level levels[2];
        int r;

        r = wire_read(endpoint, fields);
        if (r == 0)
                r = level_read(read_only, &levels[0]);
        if (r == 0)
                r = level_read(full, &levels[1]);
        if (r < 0)
                return r;

        field_printf(label, "%s: read-only %s, full %s", name,
                     level_answer(&levels[0], WHOSE_UNKNOWN),
                     level_answer(&levels[1], WHOSE_UNKNOWN));
        return 0;
}

static int print(const json_t *capabilities, doorward_error *error) {
        const json_t *endpoints = json_object_get(capabilities, "endpoints");
        json_t *endpoint;
        size_t i;

        print_machine(capabilities);
        print_broker(capabilities);
        json_array_foreach(endpoints, i, endpoint) {
                if (print_endpoint(i == 0 ? "Endpoints" : "", endpoint) < 0)
                        return wire_error_protocol(error, "The broker's list cannot be read.");
        }

        return 0;
}

int command_capabilities(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        json_t *capabilities;
        int r;

        (void)arguments;
        (void)n;
        r = capabilities_get(NULL, &capabilities, &error);
        if (r < 0)
                return report_error(options, &error);

        if (options->json != JSON_OFF) {
                r = output_json_consume(capabilities, options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        output_begin_text(options->output);
        r = print(capabilities, &error);
        json_decref(capabilities);
        return r < 0 ? report_error(options, &error) : EXIT_STATUS_OK;
}
