/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <stdio.h>

#include "client/export.h"

/* Of what no user can do anything about. */
#define MISTAKE \
        "The program is mistaken: who wrote it can mend that, by the manual page of the function."

void export_raise_conn(int errnum, const char *message, const char *hint) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_CONN, errnum, "%s",
                  message);
        error_set_hint(&error, "%s", hint ?: MISTAKE);
        error_raise(&error);
}

int export_fail_argument(doorward_error *error, const char *format, ...) {
        char text[256];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);

        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_ARG, EINVAL, "%s", text);
        error_set_hint(error, MISTAKE);
        return -EINVAL;
}

bool export_check_given(const doorward_conn *conn) {
        if (conn)
                return true;

        export_raise_conn(EINVAL, "No connection was given.", NULL);
        return false;
}

bool export_check(const doorward_conn *conn) {
        if (!export_check_given(conn))
                return false;
        if (conn->pid == getpid())
                return true;

        export_raise_conn(ECHILD,
                          "The connection belongs to the process that opened it, and this is a "
                          "child of it.",
                          NULL);
        return false;
}

bool export_check_lease(const doorward_conn *conn) {
        if (!export_check(conn))
                return false;
        if (conn_has_lease(conn))
                return true;

        export_raise_conn(EOPNOTSUPP, "The connection has no lease.",
                          "Nobody ends it, and each descriptor is opened by itself: open the "
                          "endpoint again.");
        return false;
}

int export_hold_cancel(void) {
        int before;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        return before;
}

void export_release_cancel(int before) {
        (void)pthread_setcancelstate(before, NULL);
}

static int check_flags(const doorward_auth *auth, unsigned flags, doorward_error *error) {
        const unsigned known = DOORWARD_RO | DOORWARD_NO_ALIASES | DOORWARD_NO_INTERACTION |
                               DOORWARD_FALLBACK_RO | DOORWARD_DETACHED | DOORWARD_LOCAL_ONLY |
                               DOORWARD_HOLD;

        if (flags & ~known)
                return export_fail_argument(error, "There are no such flags: 0x%x.",
                                            flags & ~known);
        if ((flags & DOORWARD_DETACHED) && (flags & DOORWARD_HOLD))
                return export_fail_argument(error, "What is detached has no lease to hold.");
        if (auth && auth->ncredtype > 0 && (!auth->credtype || !auth->cb))
                return export_fail_argument(error, "Credentials are listed, and there is no %s.",
                                            auth->cb ? "list of them" : "callback to collect them");

        return 0;
}

int export_check_open(const doorward_auth *auth, unsigned flags, ExportOpen *ret,
                      doorward_error *error) {
        static const struct {
                unsigned given, meant;
        } meanings[] = {
                {DOORWARD_DETACHED, CONN_DETACHED},
                {DOORWARD_FALLBACK_RO, CONN_FALL_BACK},
                {DOORWARD_HOLD, CONN_HOLD},
                {DOORWARD_NO_ALIASES, CONN_NO_ALIASES},
                {DOORWARD_LOCAL_ONLY, CONN_LOCAL_ONLY},
        };
        int r;

        r = check_flags(auth, flags, error);
        if (r < 0)
                return r;

        *ret = (ExportOpen){
                .access = flags & DOORWARD_RO ? ACCESS_READ_ONLY : ACCESS_FULL,
                .auth = flags & DOORWARD_NO_INTERACTION ? NULL : auth,
        };
        for (size_t i = 0; i < ELEMENTSOF(meanings); i++)
                if (flags & meanings[i].given)
                        ret->flags |= meanings[i].meant;
        return 0;
}
