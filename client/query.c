/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/query.h"
#include "client/conn.h"
#include "client/remote-ask.h"
#include "client/remote-error.h"

#ifndef QUERY_TIMEOUT_MS
#define QUERY_TIMEOUT_MS WIRE_TIMEOUT_MS
#endif
#ifndef QUERY_LIST_MAX
#define QUERY_LIST_MAX 10000U
#endif

int query_begin(Query *query, const doorward_conn *conn, doorward_error *error) {
        query->timeout_ms = QUERY_TIMEOUT_MS;
        return wire_open(conn ? conn->socket : NULL, query->timeout_ms, &query->wire, error);
}

void query_end(Query *query) {
        query->wire = wire_free(query->wire);
}

int query_ask(Query *query, MethodId method, json_t *parameters, WireReply *ret,
              doorward_error *error) {
        return wire_call(query->wire, method, parameters, query->timeout_ms, ret, error);
}

static int fail_list(const Query *query, doorward_error *error, const char *what) {
        return wire_error_protocol(error, "The broker at %s sent a list that %s.",
                                   wire_get_path(query->wire), what);
}

static int list_add(const Query *query, const WireReply *reply, const char *member, json_t *list,
                    doorward_error *error) {
        json_t *object = NULL;
        const WireField fields[] = {{member, WIRE_OBJECT, true, &object}, {}};

        if (wire_read(reply->parameters, fields) < 0)
                return fail_list(query, error, "cannot be read");
        if (json_array_size(list) >= QUERY_LIST_MAX)
                return fail_list(query, error, "is too long");
        if (object && json_array_append(list, object) < 0)
                return error_no_memory(error);

        return 0;
}

int query_list(Query *query, MethodId method, json_t *parameters, const char *member, json_t **ret,
               doorward_error *error) {
        json_t *list = json_array();
        int r;

        r = wire_call_more(query->wire, method, parameters, query->timeout_ms, error);
        if (r == 0 && !list)
                r = error_no_memory(error);

        while (r == 0) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_next(query->wire, query->timeout_ms, &reply, error);
                if (r <= 0)
                        break;
                r = list_add(query, &reply, member, list, error);
        }

        if (r < 0)
                json_decref(list);
        else
                *ret = list;
        return r;
}

int query_call(const doorward_conn *conn, MethodId method, json_t *parameters, WireReply *ret,
               doorward_error *error) {
        _cleanup_(query_end) Query query = QUERY_NULL;
        int r;

        r = query_begin(&query, conn, error);
        if (r == 0)
                return query_ask(&query, method, parameters, ret, error);

        json_decref(parameters);
        return r;
}

int query_broker_info(const doorward_conn *conn, WireReply *ret, doorward_error *error) {
        return conn && conn->lease.remote
                       ? remote_ask_object(&conn->uri, RELAY_PREFIX "GetBrokerInfo", "info",
                                           &ret->parameters, error)
                       : query_call(conn, METHOD_GET_BROKER_INFO, json_object(), ret, error);
}

int query_fail(const doorward_conn *conn, const char *what, doorward_error *error) {
        return conn && conn->lease.remote
                       ? remote_fail_protocol(&conn->uri, "what its broker is cannot be read",
                                              error)
                       : wire_error_protocol(error, "The broker %s.", what);
}
