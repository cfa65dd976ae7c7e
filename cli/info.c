/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "config.h"

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/report.h"
#include "cli/text.h"
#include "client/wire.h"

typedef struct Info {
        const char *version;
        const char *polkit;
        int64_t protocol;
        bool identity_proof;
        json_t *features;
        json_t *limits;
        json_t *warnings;
} Info;

static int info_read(const json_t *parameters, Info *info) {
        const WireField fields[] = {
                {"version", WIRE_STRING, false, &info->version},
                {"protocol", WIRE_INT, false, &info->protocol},
                {"identityProof", WIRE_BOOL, false, &info->identity_proof},
                {"polkit", WIRE_STRING, true, &info->polkit},
                {"features", WIRE_STRINGS, false, &info->features},
                {"limits", WIRE_INTS, false, &info->limits},
                {"warnings", WIRE_STRINGS, false, &info->warnings},
                {},
        };

        return wire_read(parameters, fields);
}

static void field_print(const char *label, const char *text) {
        (void)printf("%12s: ", label);
        text_print_wrapped(stdout, text, 14, text_columns());
        (void)putchar('\n');
}

static void strings_print(const char *label, const json_t *strings) {
        json_t *string;
        size_t i;

        json_array_foreach(strings, i, string) {
                field_print(i == 0 ? label : "", json_string_value(string));
        }
}

static void info_print(const Info *info, const Wire *wire) {
        json_t *limit;
        const char *name;

        field_print("Broker", info->version);
        field_print("Command", VERSION);
        field_print("Socket", wire_get_path(wire));
        field_print("Secure", wire_is_secure(wire) ? "yes: root made the socket and the broker's "
                                                     "own user answers"
                                                   : "no: it cannot be told who answers");
        field_print("Identity", info->identity_proof
                                        ? "callers prove who they are with a nonce: this kernel "
                                          "has no SO_PEERPIDFD, or the broker does not use it"
                                        : "the kernel vouches for callers (SO_PEERPIDFD)");
        field_print("Policy", info->polkit ? info->polkit : "polkit was not reached yet");
        strings_print("Features", info->features);
        strings_print("Warnings", info->warnings);

        (void)printf("%12s:\n", "Limits");
        json_object_foreach((json_t *)info->limits, name, limit) {
                _cleanup_free_ char *escaped = text_escape(name);

                (void)printf("%14s%s=%" PRId64 "\n", "", escaped ? escaped : "?",
                             (int64_t)json_integer_value(limit));
        }
}

static int info_get(Wire **ret_wire, WireReply *ret, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_call(wire, METHOD_GET_BROKER_INFO, json_object(), WIRE_TIMEOUT_MS, ret,
                              error);
        if (r == 0)
                *ret_wire = TAKE_PTR(wire);

        return r;
}

int command_info(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(wire_freep) Wire *wire = NULL;
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        Info info = {};
        int r;

        (void)arguments;
        (void)n;
        r = info_get(&wire, &reply, &error);
        if (r == 0 && info_read(reply.parameters, &info) < 0)
                r = wire_error_protocol(&error, "The broker's answer cannot be read.");
        if (r < 0)
                return report_error(options, &error);

        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(reply.parameters), options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        output_begin_text(options->output);
        info_print(&info, wire);
        return EXIT_STATUS_OK;
}
