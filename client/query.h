#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Query: what is asked of the broker beside opening
 *
 * A connection's own wire is its lease's, and says nothing but how that ends. So each query is on a
 * wire of its own, to the broker that the connection is from, for one question or a few, and gone
 * when they are answered. Without a connection it is the broker that an open would have asked.
 *
 * The broker is checked, and its errors are read, as the wire does it (client/wire.h).
 */

#include "client/wire.h"

typedef struct Query {
        Wire *wire;
        int timeout_ms; /* for each answer */
} Query;

#define QUERY_NULL \
        { .wire = NULL }

/* conn may be NULL, and is not to another machine. */
int query_begin(Query *query, const doorward_conn *conn, doorward_error *error) _must_check_;
void query_end(Query *query);

/* Asks, with the parameters as wire_call() takes them. The reply is the caller's. */
int query_ask(Query *query, MethodId method, json_t *parameters, WireReply *ret,
              doorward_error *error) _must_check_;

/* Asks for a list, of which each reply has one member of this name, an object, or none: that there
 * is nothing, or no more. *ret is an array of them. A list that does not end is not believed. */
int query_list(Query *query, MethodId method, json_t *parameters, const char *member, json_t **ret,
               doorward_error *error) _must_check_;

/* What the broker says of itself: all of it, for that one question; and of another machine's, what
 * is known by way of the relay there. */
int query_broker_info(const doorward_conn *conn, WireReply *ret,
                      doorward_error *error) _must_check_;

/* That it did not say what it was asked; of conn, or NULL. -EBADMSG. */
int query_fail(const doorward_conn *conn, const char *what, doorward_error *error);

/* All of it, for one question. */
int query_call(const doorward_conn *conn, MethodId method, json_t *parameters, WireReply *ret,
               doorward_error *error) _must_check_;
