/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The public header by itself, compiled as C99 and as C++ with every warning an error: what a
 * program sees that includes nothing else before it. */

#include "client/doorward.h"

#include "client/doorward.h"

typedef int (*closer)(doorward_conn *conn);

doorward_conn *header_open(const char *uri, closer *ret_close, unsigned long *ret_version);
int header_decide(const doorward_error *error);
int header_collect(doorward_credential *cred, unsigned ncred, void *cbdata);
doorward_conn *header_open_auth(const char *uri, const int *credtype, unsigned ncredtype);
void header_closed(doorward_conn *conn, int reason, void *userdata);
int header_watch(doorward_conn *conn, void *userdata, doorward_free_func free_func);
long long header_expires(doorward_conn *conn, const char **ret_action);

doorward_conn *header_open(const char *uri, closer *ret_close, unsigned long *ret_version) {
        doorward_error error = {0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0}};

        if (doorward_copy_last_error(&error) > DOORWARD_ERR_OK)
                doorward_error_clear(&error);
        doorward_set_error_func(0, 0);
        *ret_close = doorward_close;
        *ret_version = doorward_version();
        return doorward_open(uri);
}

int header_decide(const doorward_error *error) {
        switch (error->code) {
        case DOORWARD_ERR_NO_BROKER:
        case DOORWARD_ERR_TIMEOUT:
                return 1;
        default:
                return error->domain == DOORWARD_DOMAIN_POLICY ? 2 : 0;
        }
}

int header_collect(doorward_credential *cred, unsigned ncred, void *cbdata) {
        return cred[0].type == DOORWARD_CRED_INFO && ncred == 1 && !cbdata ? 0 : -1;
}

doorward_conn *header_open_auth(const char *uri, const int *credtype, unsigned ncredtype) {
        doorward_auth auth;

        auth.credtype = credtype;
        auth.ncredtype = ncredtype;
        auth.cb = header_collect;
        auth.cbdata = 0;
        return doorward_open_auth(uri, ncredtype > 0 ? &auth : doorward_auth_default,
                                  DOORWARD_RO | DOORWARD_LOCAL_ONLY);
}

void header_closed(doorward_conn *conn, int reason, void *userdata) {
        *(int *)userdata = reason == DOORWARD_CLOSE_REVOKED || reason == DOORWARD_CLOSE_BROKER;
        doorward_close(conn);
}

int header_watch(doorward_conn *conn, void *userdata, doorward_free_func free_func) {
        doorward_close_cb cb = header_closed;

        if (doorward_set_close_callback(conn, cb, userdata, free_func) < 0)
                return -1;

        return doorward_is_alive(conn) == 1 ? doorward_get_event_fd(conn) : doorward_process(conn);
}

long long header_expires(doorward_conn *conn, const char **ret_action) {
        doorward_grant_info *info = doorward_get_grant_info(conn);
        long long expires = info ? info->expires : 0;

        *ret_action = info && info->ends_at_logout ? doorward_close_reason_to_string(0) : 0;
        doorward_grant_info_free(info);
        return expires;
}
