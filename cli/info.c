/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "config.h"

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/field.h"
#include "cli/health.h"
#include "cli/report.h"
#include "cli/text.h"
#include "client/query.h"

typedef struct Info {
        const char *version;
        const char *polkit;
        int64_t protocol;
        bool identity_proof;
        json_t *features;
        json_t *limits;
        json_t *use; /* NULL with an older broker */
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
                {"use", WIRE_INTS, true, &info->use},
                {"warnings", WIRE_STRINGS, false, &info->warnings},
                {},
        };

        return wire_read(parameters, fields);
}

/* "LeasesPerUser=3 of 16", or the limit alone, if nobody counts by user. */
static void limit_print(const char *name, const json_t *max, const json_t *use) {
        _cleanup_free_ char *escaped = text_escape(name);

        (void)printf("%14s%s=", "", escaped ?: "?");
        if (use)
                (void)printf("%" JSON_INTEGER_FORMAT " of ", json_integer_value(use));
        (void)printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(max));
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
        field_print_strings("Features", info->features);
        field_print_strings("Warnings", info->warnings);

        (void)printf("%12s:%s\n", "Limits", info->use ? " what you have, and may have" : "");
        json_object_foreach((json_t *)info->limits, name, limit)
                limit_print(name, limit, json_object_get(info->use, name));
}

int command_info(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(query_end) Query query = QUERY_NULL;
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        Info info = {};
        int r;

        (void)arguments;
        (void)n;
        if (options_has(options, OPTION_CHECK))
                return health_check(options);

        r = query_begin(&query, NULL, &error);
        if (r == 0)
                r = query_ask(&query, METHOD_GET_BROKER_INFO, json_object(), &reply, &error);
        if (r == 0 && info_read(reply.parameters, &info) < 0)
                r = wire_error_protocol(&error, "The broker's answer cannot be read.");
        if (r < 0)
                return report_error(options, &error);

        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(reply.parameters), options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        output_begin_text(options->output);
        info_print(&info, query.wire);
        return EXIT_STATUS_OK;
}
