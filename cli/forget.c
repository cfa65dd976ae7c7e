/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/report.h"
#include "client/wire.h"

static int forget(WireReply *ret, int64_t *ret_forgotten, doorward_error *error) {
        const WireField fields[] = {{"forgotten", WIRE_INT, false, ret_forgotten}, {}};
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_call(wire, METHOD_FORGET, json_object(), WIRE_TIMEOUT_MS, ret, error);
        if (r == 0 && (wire_read(ret->parameters, fields) < 0 || *ret_forgotten < 0))
                r = wire_error_protocol(error, "The broker's answer cannot be read.");
        return r;
}

int command_forget(const Options *options, char **arguments, size_t n) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_error_ doorward_error error = {};
        int64_t forgotten;
        int r;

        (void)arguments;
        (void)n;
        r = forget(&reply, &forgotten, &error);
        if (r < 0)
                return report_error(options, &error);

        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(reply.parameters), options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        if (!options_has(options, OPTION_QUIET))
                (void)printf("Remembered passwords forgotten: %" PRId64 "\n", forgotten);
        return EXIT_STATUS_OK;
}
