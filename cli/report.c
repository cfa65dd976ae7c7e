/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/exit-status.h"
#include "cli/report.h"

static void report_text(const doorward_error *error) {
        (void)fprintf(stderr, "doorward: %s\n", error->message ? error->message : "Unknown error.");
        if (error->hint)
                (void)fprintf(stderr, "Hint: %s\n", error->hint);
        if (error->request_id)
                (void)fprintf(stderr,
                              "Request: %s (an administrator can look it up: "
                              "journalctl DOORWARD_REQUEST=%s)\n",
                              error->request_id, error->request_id);
}

static int report_json(const doorward_error *error, int status, JsonMode mode) {
        json_t *object;

        object = json_pack("{s:{s:s, s:s, s:i, s:i, s:s?, s:s?, s:s?, s:s?, s:s?}}", "error",
                           "class", doorward_error_code_to_string(error->code), "domain",
                           doorward_error_domain_to_string(error->domain), "exitStatus", status,
                           "errno", error->errnum, "message", error->message, "hint", error->hint,
                           "endpoint", error->endpoint, "action", error->action_id, "requestId",
                           error->request_id);

        return output_json_consume(object, mode);
}

int report_error(const Options *options, const doorward_error *error) {
        int status = exit_status_of_class(error->code);

        if (options->json == JSON_OFF || report_json(error, status, options->json) < 0)
                report_text(error);

        return status;
}

int report_errno(const Options *options, int error, const char *format, ...) {
        _cleanup_error_ doorward_error reported = {};
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                text = NULL;

        error_set(&reported, DOORWARD_DOMAIN_SYSTEM, DOORWARD_ERR_SYSTEM, -error, "%s: %s.",
                  text ? text : "Failed", strerror(-error));
        return report_error(options, &reported);
}

int report_problem(const Options *options, doorward_error_code code, const char *hint,
                   const char *format, ...) {
        _cleanup_error_ doorward_error reported = {};
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                text = NULL;

        error_set(&reported, DOORWARD_DOMAIN_LIBRARY, code, 0, "%s", text ? text : "Failed.");
        error_set_hint(&reported, "%s", hint);
        return report_error(options, &reported);
}

void report_note(const Options *options, const char *format, ...) {
        va_list ap;

        if (options_has(options, OPTION_QUIET))
                return;

        (void)fputs("doorward: ", stderr);
        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        (void)fputc('\n', stderr);
}
