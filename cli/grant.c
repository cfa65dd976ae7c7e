/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>

#include "cli/grant.h"
#include "cli/report.h"

/* Whether somebody sits at a terminal of ours, who can be asked. */
static bool terminal_is_there(void) {
        _cleanup_close_ int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

        return fd >= 0;
}

int grant_open(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) {
        char name[NAME_TEXT_SIZE];
        const doorward_auth *auth = NULL;

        if (!options_has(options, OPTION_NO_ASK_PASSWORD) && terminal_is_there())
                auth = doorward_auth_default;

        return conn_open(name_to_string(&argument->name, name), argument->access, auth, 0, ret,
                         error);
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
