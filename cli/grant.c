/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>

#include "cli/grant.h"
#include "cli/report.h"

#define ATTEMPTS 3

/* Whether somebody sits at a terminal of ours, who can be asked. */
static bool terminal_is_there(void) {
        _cleanup_close_ int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

        return fd >= 0;
}

static void uri_write(const Options *options, const Argument *argument, char buf[URI_TEXT_SIZE]) {
        Uri uri = {.has_user = options->user != NULL};

        if (options->user)
                (void)snprintf(uri.user, sizeof(uri.user), "%s", options->user);
        (void)name_to_string(&argument->name, uri.endpoint);
        (void)uri_to_string(&uri, buf);
}

int grant_open(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) {
        bool may_ask = !options_has(options, OPTION_NO_ASK_PASSWORD) && terminal_is_there();
        char uri[URI_TEXT_SIZE];
        int r;

        uri_write(options, argument, uri);
        for (int i = 1;; i++) {
                r = conn_open(uri, argument->access, may_ask ? doorward_auth_default : NULL, 0, ret,
                              error);
                if (r == 0 || !may_ask || error->code != DOORWARD_ERR_AUTH_FAILED || i == ATTEMPTS)
                        return r;

                (void)fprintf(stderr, "doorward: %s Try again.\n", error->message);
                doorward_error_clear(error);
        }
}

int grant_take_fd(doorward_conn *conn) {
        return TAKE_FD(conn->fd);
}

const char *grant_end_text(int reason) {
        switch ((EndReason)reason) {
        case END_EXPIRED:
                return "has reached its end, which MaxSec= of the definition sets";
        case END_REVOKED:
                return "was revoked";
        case END_LOGOUT:
                return "ended with the session";
        case END_POLICY:
                return "ended: polkit no longer allows it";
        case END_DEFINITION:
                return "ended: the definition was changed or removed";
        case END_RESTART:
                return "ended: the broker was restarted and could not keep it";
        case END_SHUTDOWN:
                return "ended: the broker was stopped";
        case END_CLIENT:
        case END_PEER:
        case END_BACKEND:
                return NULL;
        default:
                return "has ended";
        }
}

bool grant_watch(const Options *options, doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        const char *text;
        int reason = 0, r;

        r = conn_process(conn, &reason, &error);
        if (r == 0)
                return true;

        text = r > 0 ? grant_end_text(reason) : "has no keeper any more: the broker is gone";
        if (text)
                report_note(options, "The lease on %s %s.", conn->uri.endpoint, text);
        return false;
}
