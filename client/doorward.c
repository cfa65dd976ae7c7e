/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/export.h"

/* The exported functions that make, use and end a connection: each checks what it was given, and
 * leaves its error to the thread. */

static int open_checked(const char *uri, const doorward_auth *auth, unsigned flags,
                        doorward_conn **ret, doorward_error *error) {
        ExportOpen open;
        int r;

        r = export_check_open(auth, flags, &open, error);
        return r < 0 ? r : conn_open(uri, open.access, open.auth, open.flags, ret, error);
}

static doorward_conn *open_with(const char *uri, const doorward_auth *auth, unsigned flags) {
        _cleanup_error_ doorward_error error = {};
        doorward_conn *conn = NULL;
        int before;

        /* It waits in many places, and a thread that was cancelled there would leave a connection,
         * an agent and answers behind. */
        before = export_hold_cancel();
        error_begin();
        if (open_checked(uri, auth, flags, &conn, &error) < 0)
                error_raise(&error);
        export_release_cancel(before);

        return conn;
}

DOORWARD_EXPORT doorward_conn *doorward_open(const char *uri) {
        return open_with(uri, NULL, 0);
}

DOORWARD_EXPORT doorward_conn *doorward_open_read_only(const char *uri) {
        return open_with(uri, NULL, DOORWARD_RO);
}

DOORWARD_EXPORT doorward_conn *doorward_open_auth(const char *uri, const doorward_auth *auth,
                                                  unsigned flags) {
        return open_with(uri, auth, flags);
}

DOORWARD_EXPORT int doorward_ref(doorward_conn *conn) {
        error_begin();
        if (!export_check(conn))
                return -1;

        conn_ref(conn);
        return 0;
}

DOORWARD_EXPORT int doorward_close(doorward_conn *conn) {
        error_begin();
        if (!export_check_given(conn))
                return -1;

        return conn_unref(conn) ? 0 : 1;
}

static int raise_no_fd(const doorward_conn *conn) {
        if (conn->held)
                export_raise_conn(EBADF,
                                  "Nothing was opened with this connection: its lease is "
                                  "held.",
                                  "Each doorward_open_another() gives a descriptor.");
        else
                export_raise_conn(EBADF, "The descriptor was taken out of this connection before.",
                                  NULL);
        return -1;
}

DOORWARD_EXPORT int doorward_get_fd(doorward_conn *conn) {
        int fd;

        error_begin();
        if (!export_check(conn))
                return -1;

        fd = __atomic_load_n(&conn->fd, __ATOMIC_ACQUIRE);
        return fd >= 0 ? fd : raise_no_fd(conn);
}

DOORWARD_EXPORT int doorward_steal_fd(doorward_conn *conn) {
        int fd;

        error_begin();
        if (!export_check(conn))
                return -1;
        if ((conn->mode == LEASE_MODE_REVOCABLE && !conn->held) || conn->lease.remote) {
                export_raise_conn(EBUSY,
                                  conn->lease.remote
                                          ? "What leads to another machine ends with the "
                                            "connection, and with it the descriptor."
                                          : "The lease of this connection is revocable: its "
                                            "descriptor cannot outlive it.",
                                  NULL);
                return -1;
        }

        fd = __atomic_exchange_n(&conn->fd, -EBADF, __ATOMIC_ACQ_REL);
        return fd >= 0 ? fd : raise_no_fd(conn);
}

DOORWARD_EXPORT char *doorward_get_uri(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        char buf[URI_TEXT_SIZE], *text;

        error_begin();
        if (!export_check(conn))
                return NULL;

        text = strdup(uri_to_string(&conn->uri, buf));
        if (!text) {
                (void)error_no_memory(&error);
                error_raise(&error);
        }

        return text;
}

DOORWARD_EXPORT const char *doorward_get_type(doorward_conn *conn) {
        error_begin();
        if (!export_check(conn))
                return NULL;
        if (conn->held) {
                (void)raise_no_fd(conn);
                return NULL;
        }

        return kind_to_string(conn->kind);
}
