/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/utsname.h>

#include "config.h"

#include "client/broker-limits.h"
#include "client/capabilities.h"
#include "client/export.h"
#include "client/host-info.h"
#include "client/query.h"
#include "client/remote-ask.h"
#include "client/remote-error.h"
#include "client/security-model.h"

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

        r = query_broker_info(conn, &reply, error);
        if (r < 0)
                return r;
        if (wire_read(reply.parameters, fields) < 0)
                return query_fail(conn, "did not say its version", error);

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

/* Of the relay at the other end, which has the library in it. */
static int remote_get_version(const doorward_conn *conn, unsigned long *ret,
                              doorward_error *error) {
        const char *version;
        const WireField fields[] = {{"version", WIRE_STRING, false, &version}, {}};
        json_t *parameters;
        int r;

        r = remote_ask(&conn->uri, INTERFACE_SERVICE_PREFIX "GetInfo", json_object(), &parameters,
                       error);
        if (r < 0)
                return r;

        r = wire_read(parameters, fields);
        if (r < 0)
                r = remote_fail_protocol(&conn->uri, "its version cannot be read", error);
        else
                *ret = version_number(version);
        json_decref(parameters);
        return r;
}

static int lib_get_version(const doorward_conn *conn, unsigned long *ret, doorward_error *error) {
        if (!ret)
                return export_fail_argument(error, "There is nowhere to write the version to.");
        if (conn && conn->lease.remote)
                return remote_get_version(conn, ret, error);

        *ret = doorward_version();
        return 0;
}

DOORWARD_EXPORT int doorward_get_lib_version(doorward_conn *conn, unsigned long *version) {
        _cleanup_error_ doorward_error error = {};
        int before, r;

        error_begin();
        if (!check_if_given(conn))
                return -1;

        before = export_hold_cancel();
        r = lib_get_version(conn, version, &error);
        if (r < 0)
                error_raise(&error);
        export_release_cancel(before);
        return r < 0 ? -1 : 0;
}

DOORWARD_EXPORT unsigned long doorward_version(void) {
        return version_number(VERSION);
}

/* The way to it. */

DOORWARD_EXPORT int doorward_is_encrypted(doorward_conn *conn) {
        error_begin();
        return export_check(conn) ? conn->encrypted : -1;
}

DOORWARD_EXPORT int doorward_is_secure(doorward_conn *conn) {
        error_begin();
        return export_check(conn) ? conn->secure : -1;
}

DOORWARD_EXPORT doorward_security_model *doorward_get_security_model(doorward_conn *conn) {
        doorward_security_model *model;

        error_begin();
        if (!export_check(conn))
                return NULL;

        model = security_model_new(conn);
        if (!model)
                raise_no_memory();
        return model;
}

/* The machine. */

/* Another machine says it of itself. */
static int remote_get_host_info(const doorward_conn *conn, doorward_host_info **ret,
                                doorward_error *error) {
        json_t *object;
        int r;

        r = remote_ask_object(&conn->uri, RELAY_PREFIX "GetHostInfo", "info", &object, error);
        if (r < 0)
                return r;

        r = host_info_from_json(object, ret);
        json_decref(object);
        if (r == -ENOMEM)
                return error_no_memory(error);
        return r < 0 ? remote_fail_protocol(&conn->uri, "what it says of itself cannot be read",
                                            error)
                     : 0;
}

static doorward_host_info *get_host_info(const doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        doorward_host_info *info = NULL;
        int before, r;

        /* A thread that was cancelled would leave what leads there behind. */
        before = export_hold_cancel();
        if (conn && conn->lease.remote)
                r = remote_get_host_info(conn, &info, &error);
        else {
                info = host_info_new("");
                r = info ? 0 : error_no_memory(&error);
        }
        if (r < 0)
                error_raise(&error);
        export_release_cancel(before);

        return info;
}

DOORWARD_EXPORT doorward_host_info *doorward_get_host_info(doorward_conn *conn) {
        error_begin();
        return check_if_given(conn) ? get_host_info(conn) : NULL;
}

static char *copy_name(const char *text) {
        char *name = strdup(text);

        if (!name)
                raise_no_memory();
        return name;
}

/* The kernel's, and nothing else needs to be read for it. */
static char *own_name(void) {
        struct utsname names = {};

        (void)uname(&names);
        return copy_name(names.nodename);
}

DOORWARD_EXPORT char *doorward_get_hostname(doorward_conn *conn) {
        doorward_host_info *info;
        char *name;

        error_begin();
        if (!check_if_given(conn))
                return NULL;
        if (!conn || !conn->lease.remote)
                return own_name();

        info = get_host_info(conn);
        if (!info)
                return NULL;

        name = copy_name(info->hostname ?: "");
        doorward_host_info_free(info);
        return name;
}

/* The broker. */

static int capabilities_get_text(const doorward_conn *conn, char **ret, doorward_error *error) {
        json_t *capabilities;
        char *text;
        int r;

        r = capabilities_get(conn, &capabilities, error);
        if (r < 0)
                return r;

        text = capabilities_to_string(capabilities, JSON_COMPACT);
        json_decref(capabilities);
        if (!text)
                return error_no_memory(error);

        *ret = text;
        return 0;
}

DOORWARD_EXPORT char *doorward_get_capabilities(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        char *text = NULL;

        error_begin();
        if (!check_if_given(conn))
                return NULL;

        if (capabilities_get_text(conn, &text, &error) < 0)
                error_raise(&error);
        return text;
}

DOORWARD_EXPORT doorward_limits *doorward_get_limits(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        doorward_limits *limits = NULL;

        error_begin();
        if (!check_if_given(conn))
                return NULL;

        if (broker_limits_get(conn, &limits, &error) < 0)
                error_raise(&error);
        return limits;
}
