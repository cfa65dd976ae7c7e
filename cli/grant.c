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

static int set_user(Uri *uri, const char *user, doorward_error *error) {
        if (uri->has_user || uri_is_remote(uri)) {
                error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                          "--user= is of no use with a URI that %s.",
                          uri->has_user ? "says as whom itself" : "leads to another machine");
                error_set_hint(error, "As whom stands before an @ in it, or nowhere; "
                                      "doorward-uri(7) says where.");
                return -EINVAL;
        }

        uri->has_user = true;
        (void)snprintf(uri->user, sizeof(uri->user), "%s", user);
        return 0;
}

int grant_resolve(const Options *options, Argument *argument, doorward_error *error) {
        unsigned flags = 0;
        Uri uri;
        int r;

        if (options_has(options, OPTION_LOCAL_ONLY))
                flags |= CONN_LOCAL_ONLY;
        if (options_has(options, OPTION_NO_ALIASES))
                flags |= CONN_NO_ALIASES;

        r = conn_resolve(argument->text ?: argument->word, flags, &uri, error);
        if (r == 0)
                r = conn_set_access(&uri, argument->access, error);
        if (r == 0 && options->user)
                r = set_user(&uri, options->user, error);
        if (r == 0)
                r = name_parse(uri.endpoint, &argument->name);
        if (r < 0)
                return r;

        argument->uri = uri;
        argument->access = (Access)uri.access;
        if (!argument->key[0])
                (void)stpcpy(argument->key, uri.endpoint);
        return 0;
}

int grant_read_argument(const Options *options, const char *text, bool fd_allowed, Argument *ret) {
        Access access = options_has(options, OPTION_READ_ONLY) ? ACCESS_READ_ONLY : ACCESS_FULL;
        _cleanup_error_ doorward_error error = {};
        int r = 0;

        if (text)
                r = argument_parse(text, access, fd_allowed, ret);
        else
                argument_default(access, ret);
        if (r != 0)
                return options_usage_error(options, "'%s': %s", text, argument_problem(r));

        r = grant_resolve(options, ret, &error);
        return r < 0 ? report_error(options, &error) : -1;
}

const doorward_auth grant_auth_desktop = {};

const doorward_auth *grant_get_auth(const Options *options) {
        if (options_has(options, OPTION_NO_ASK_PASSWORD))
                return NULL;
        return terminal_is_there() ? doorward_auth_default : &grant_auth_desktop;
}

static int open_with(const Options *options, const Argument *argument, unsigned flags,
                     doorward_conn **ret, doorward_error *error) {
        bool may_ask = !options_has(options, OPTION_NO_ASK_PASSWORD) && terminal_is_there();
        char uri[URI_TEXT_SIZE];
        int r;

        (void)uri_to_string(&argument->uri, uri);
        for (int i = 1;; i++) {
                r = conn_open(uri, argument->access, may_ask ? doorward_auth_default : NULL,
                              CONN_NO_ALIASES | flags, ret, error);
                if (r == 0 || !may_ask || error->code != DOORWARD_ERR_AUTH_FAILED || i == ATTEMPTS)
                        return r;

                (void)fprintf(stderr, "doorward: %s Try again.\n", error->message);
                doorward_error_clear(error);
        }
}

int grant_open(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) {
        return open_with(options, argument, 0, ret, error);
}

int grant_hold(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) {
        return open_with(options, argument, CONN_HOLD, ret, error);
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
