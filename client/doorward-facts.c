/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/utsname.h>

#include "config.h"

#include "client/export.h"
#include "client/host-info.h"
#include "client/query.h"

/* The exported functions that say what there is: of the connection, of its broker, of its machine.
 * Of a broker and of a machine there is one without a connection, too. */

static bool check_if_given(const doorward_conn *conn) {
        return !conn || export_check(conn);
}

static void raise_no_memory(void) {
        _cleanup_error_ doorward_error error = {};

        (void)error_no_memory(&error);
        error_raise(&error);
}

/* Versions. */

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

static int broker_get_version(const doorward_conn *conn, unsigned long *ret,
                              doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        const char *version;
        const WireField fields[] = {{"version", WIRE_STRING, false, &version}, {}};
        int r;

        if (!ret)
                return export_fail_argument(error, "There is nowhere to write the version to.");

        r = query_call(conn, METHOD_GET_BROKER_INFO, json_object(), &reply, error);
        if (r < 0)
                return r;
        if (wire_read(reply.parameters, fields) < 0)
                return wire_error_protocol(error, "The broker at %s did not say its version.",
                                           conn->socket);

        *ret = version_number(version);
        return 0;
}

DOORWARD_EXPORT int doorward_get_version(doorward_conn *conn, unsigned long *version) {
        _cleanup_error_ doorward_error error = {};

        error_begin();
        if (!export_check(conn))
                return -1;

        if (broker_get_version(conn, version, &error) < 0) {
                error_raise(&error);
                return -1;
        }

        return 0;
}

DOORWARD_EXPORT int doorward_get_lib_version(doorward_conn *conn, unsigned long *version) {
        _cleanup_error_ doorward_error error = {};

        error_begin();
        if (!check_if_given(conn))
                return -1;

        if (!version) {
                (void)export_fail_argument(&error, "There is nowhere to write the version to.");
                error_raise(&error);
                return -1;
        }

        *version = doorward_version();
        return 0;
}

DOORWARD_EXPORT unsigned long doorward_version(void) {
        return version_number(VERSION);
}

/* The machine. */

DOORWARD_EXPORT doorward_host_info *doorward_get_host_info(doorward_conn *conn) {
        doorward_host_info *info;

        error_begin();
        if (!check_if_given(conn))
                return NULL;

        info = host_info_new("");
        if (!info)
                raise_no_memory();
        return info;
}

DOORWARD_EXPORT char *doorward_get_hostname(doorward_conn *conn) {
        struct utsname names;
        char *name;

        error_begin();
        if (!check_if_given(conn))
                return NULL;

        name = uname(&names) == 0 ? strdup(names.nodename) : NULL;
        if (!name)
                raise_no_memory();
        return name;
}
