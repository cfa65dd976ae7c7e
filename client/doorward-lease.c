/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include "client/export.h"
#include "client/grant-info.h"

/* The exported functions that are about a connection's lease. */

DOORWARD_EXPORT int doorward_open_another(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        int before, r;

        error_begin();
        if (!export_check_lease(conn))
                return -1;

        before = export_hold_cancel();
        r = another_open(conn, &error);
        if (r < 0) {
                error_set_endpoint(&error, conn->uri.endpoint);
                error_raise(&error);
        }
        export_release_cancel(before);

        return r < 0 ? -1 : r;
}

DOORWARD_EXPORT int doorward_is_alive(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        int before, r;

        error_begin();
        if (!export_check(conn))
                return -1;

        before = export_hold_cancel();
        r = conn_is_alive(conn, &error);
        if (r < 0)
                error_raise(&error);
        export_release_cancel(before);

        return r < 0 ? -1 : r;
}

DOORWARD_EXPORT int doorward_get_event_fd(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        int r;

        error_begin();
        if (!export_check_lease(conn))
                return -1;

        r = lease_get_event_fd(&conn->lease, conn->uri.endpoint, &error);
        if (r < 0) {
                error_set_endpoint(&error, conn->uri.endpoint);
                error_raise(&error);
        }

        return r < 0 ? -1 : r;
}

DOORWARD_EXPORT int doorward_get_events(doorward_conn *conn) {
        error_begin();
        if (!export_check_lease(conn))
                return -1;

        return lease_is_to_be_processed(&conn->lease) ? POLLIN : 0;
}

DOORWARD_EXPORT int doorward_get_timeout(doorward_conn *conn, long long *usec) {
        _cleanup_error_ doorward_error error = {};
        Wait wait;

        error_begin();
        if (!export_check_lease(conn))
                return -1;
        if (!usec) {
                (void)export_fail_argument(&error, "There is nowhere to write the time to.");
                error_raise(&error);
                return -1;
        }

        /* Nothing of a lease goes by time that the broker would not tell. */
        wait_init(&wait);
        return wait_get_timeout(&wait, usec);
}

/* The callback may give back what its caller holds. */
static void tell_end(doorward_conn *conn) {
        LeaseListener *listener;

        listener = lease_take_listener(&conn->lease);
        if (!listener)
                return;

        conn_ref(conn);
        listener->cb(conn, lease_get_end(&conn->lease), listener->userdata);
        lease_release_listener(&conn->lease, listener);
        (void)conn_unref(conn);
        /* Careful: the connection may be gone. */

        /* What failed in there is not this call's. */
        error_begin();
}

DOORWARD_EXPORT int doorward_process(doorward_conn *conn) {
        _cleanup_error_ doorward_error why = {};
        int before, r;

        error_begin();
        if (!export_check(conn))
                return -1;

        before = export_hold_cancel();
        /* A broker that is gone is an end like others. */
        r = lease_process(&conn->lease, &why) == 0 ? 0 : 1;
        if (r > 0)
                tell_end(conn);
        export_release_cancel(before);

        return r;
}

DOORWARD_EXPORT int doorward_set_close_callback(doorward_conn *conn, doorward_close_cb cb,
                                                void *userdata, doorward_free_func free_func) {
        _cleanup_error_ doorward_error error = {};

        error_begin();
        if (!(cb ? export_check_lease(conn) : export_check(conn)))
                return -1;

        if (lease_set_listener(&conn->lease, cb, userdata, free_func) < 0) {
                (void)error_no_memory(&error);
                error_raise(&error);
                return -1;
        }

        return 0;
}

DOORWARD_EXPORT int doorward_get_close_reason(doorward_conn *conn) {
        error_begin();
        return export_check(conn) ? lease_get_end(&conn->lease) : -1;
}

DOORWARD_EXPORT doorward_grant_info *doorward_get_grant_info(doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};
        doorward_grant_info *info;

        error_begin();
        if (!export_check(conn))
                return NULL;

        info = grant_info_new(conn);
        if (!info) {
                (void)error_no_memory(&error);
                error_raise(&error);
        }

        return info;
}
