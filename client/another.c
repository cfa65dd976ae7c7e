/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/another.h"
#include "client/conn.h"
#include "client/opening.h"
#include "common/jsontext.h"

/* For one call; who hands over the descriptor gives up before. */
#ifndef ANOTHER_TIMEOUT_MS
#define ANOTHER_TIMEOUT_MS WIRE_TIMEOUT_MS
#endif

void another_deinit(Another *another, bool is_copy) {
        if (is_copy) {
                another->wire = wire_free_copy(another->wire);
                return;
        }

        another->wire = wire_free(another->wire);
        (void)pthread_mutex_destroy(&another->lock);
}

static int another_connect(doorward_conn *conn, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(conn->socket, ANOTHER_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_make_blocking(wire, ANOTHER_TIMEOUT_MS, error);
        if (r == 0)
                conn->another.wire = TAKE_PTR(wire);
        return r;
}

json_t *another_parameters(const doorward_conn *conn) {
        return jsontext_add(opening_parameters(&conn->uri), "lease", json_string(conn->lease.id));
}

static int another_call(doorward_conn *conn, WireReply *ret, doorward_error *error) {
        return wire_call(conn->another.wire, METHOD_OPEN, another_parameters(conn),
                         ANOTHER_TIMEOUT_MS, ret, error);
}

/* On the wire that there is, or on a new one. */
static int another_ask(doorward_conn *conn, WireReply *ret, doorward_error *error) {
        bool is_kept = conn->another.wire;
        int r;

        r = is_kept ? 0 : another_connect(conn, error);
        if (r == 0)
                r = another_call(conn, ret, error);
        if (r < 0 && is_kept && wire_is_unanswered(conn->another.wire)) {
                doorward_error_clear(error);
                conn->another.wire = wire_free(conn->another.wire);
                r = another_connect(conn, error);
                if (r == 0)
                        r = another_call(conn, ret, error);
        }

        return r;
}

const char *another_problem(const doorward_conn *conn, const WireReply *reply) {
        OpeningReply open;
        int kind;

        if (opening_reply_read(reply, &open) < 0 || !streq(open.state, "granted") ||
            reply->conversation >= 0)
                return "sent a reply that cannot be read";
        if (reply->connection < 0)
                return "granted a connection and did not send it";
        if (open.terms.access != conn->uri.access)
                return "granted another access than was asked for";
        if (open.terms.mode != (int)conn->mode || !open.terms.lease ||
            !streq(open.terms.lease, conn->lease.id))
                return "granted something under another lease than was asked for";

        kind = conn_find_kind(reply->connection);
        if (kind >= 0 && conn->kind != 0 && kind != (int)conn->kind)
                return "sent a descriptor of another kind than the first under the same lease";
        return conn_fd_problem(reply->connection, kind, conn->uri.access);
}

static int another_fail(doorward_conn *conn, doorward_error *error, const char *what) {
        (void)wire_error_protocol(error, "The broker at %s %s.", wire_get_path(conn->another.wire),
                                  what);
        conn->another.wire = wire_free(conn->another.wire);
        return -EBADMSG;
}

static int another_open_locked(doorward_conn *conn, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        const char *problem;
        int r;

        r = another_ask(conn, &reply, error);
        if (r == -EREMOTEIO)
                return r;
        if (r < 0) {
                conn->another.wire = wire_free(conn->another.wire);
                return r;
        }

        problem = another_problem(conn, &reply);
        return problem ? another_fail(conn, error, problem) : TAKE_FD(reply.connection);
}

/* The broker knows no lease that has ended; it has told us why. */
static int another_explain(doorward_conn *conn, doorward_error *error) {
        _cleanup_error_ doorward_error why = {}, ended = {};

        if (lease_process(&conn->lease, &why) == 0)
                return -EREMOTEIO;

        (void)lease_fail_ended(&conn->lease, conn->uri.endpoint, &ended);
        error_replace(error, &ended);
        return -ECONNABORTED;
}

int another_open(doorward_conn *conn, doorward_error *error) {
        int r;

        if (conn->lease.remote)
                return conn_fail_remote(conn, "cannot be opened once more under the same lease",
                                        error);
        if (lease_get_end(&conn->lease) != 0)
                return lease_fail_ended(&conn->lease, conn->uri.endpoint, error);

        (void)pthread_mutex_lock(&conn->another.lock);
        r = another_open_locked(conn, error);
        (void)pthread_mutex_unlock(&conn->another.lock);

        return r == -EREMOTEIO && error->code == DOORWARD_ERR_NO_LEASE
                       ? another_explain(conn, error)
                       : r;
}
