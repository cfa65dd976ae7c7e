/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/export.h"
#include "config.h"

/* The exported functions, but for those about leases and errors: each checks what it was given, and
 * leaves its error to the thread. */

static int check_open(const doorward_auth *auth, unsigned flags, doorward_error *error) {
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

static int open_checked(const char *uri, const doorward_auth *auth, unsigned flags,
                        doorward_conn **ret, doorward_error *error) {
        unsigned conn_flags = 0;
        int r;

        r = check_open(auth, flags, error);
        if (r < 0)
                return r;

        if (flags & DOORWARD_DETACHED)
                conn_flags |= CONN_DETACHED;
        if (flags & DOORWARD_FALLBACK_RO)
                conn_flags |= CONN_FALL_BACK;
        if (flags & DOORWARD_HOLD)
                conn_flags |= CONN_HOLD;
        if (flags & DOORWARD_NO_ALIASES)
                conn_flags |= CONN_NO_ALIASES;
        if (flags & DOORWARD_LOCAL_ONLY)
                conn_flags |= CONN_LOCAL_ONLY;

        return conn_open(uri, flags & DOORWARD_RO ? ACCESS_READ_ONLY : ACCESS_FULL,
                         flags & DOORWARD_NO_INTERACTION ? NULL : auth, conn_flags, ret, error);
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
        if (conn->mode == LEASE_MODE_REVOCABLE && !conn->held) {
                export_raise_conn(EBUSY,
                                  "The lease of this connection is revocable: its descriptor "
                                  "cannot outlive it.",
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

/* A number of one to three digits; -1 if there is none. */
static long version_part(const char **text) {
        size_t n = strspn(*text, "0123456789");
        long value = 0;

        if (n == 0 || n > 3)
                return -1;
        for (size_t i = 0; i < n; i++)
                value = value * 10 + ((*text)[i] - '0');

        *text += n;
        return value;
}

/* "major.minor.micro", with anything but a number behind it, as one number; 0 if it is not that. */
static unsigned long version_number(const char *text) {
        long major, minor, micro = 0;

        major = version_part(&text);
        if (major < 0 || *text++ != '.')
                return 0;
        minor = version_part(&text);
        if (minor < 0)
                return 0;
        if (*text == '.') {
                text++;
                micro = version_part(&text);
                if (micro < 0)
                        return 0;
        }

        return (unsigned long)(major * 1000000 + minor * 1000 + micro);
}

static int broker_get_version(const char *socket, unsigned long *ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_(wire_freep) Wire *wire = NULL;
        const char *version;
        const WireField fields[] = {{"version", WIRE_STRING, false, &version}, {}};
        int r;

        r = wire_open(socket, WIRE_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_call(wire, METHOD_GET_BROKER_INFO, json_object(), WIRE_TIMEOUT_MS, &reply,
                              error);
        if (r < 0)
                return r;
        if (wire_read(reply.parameters, fields) < 0)
                return wire_error_protocol(error, "The broker at %s did not say its version.",
                                           socket);

        *ret = version_number(version);
        return 0;
}

DOORWARD_EXPORT int doorward_get_version(doorward_conn *conn, unsigned long *version) {
        _cleanup_error_ doorward_error error = {};
        int r;

        error_begin();
        if (!export_check(conn))
                return -1;

        if (version)
                r = broker_get_version(conn->socket, version, &error);
        else {
                error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_ARG, EINVAL,
                          "There is nowhere to write the version to.");
                r = -EINVAL;
        }
        if (r < 0) {
                error_raise(&error);
                return -1;
        }

        return 0;
}

DOORWARD_EXPORT unsigned long doorward_version(void) {
        return version_number(VERSION);
}
