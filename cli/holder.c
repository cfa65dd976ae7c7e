/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/holder.h"
#include "cli/report.h"
#include "client/channel.h"

int holder_init_consume_conn(Holder *holder, const Argument *argument, const doorward_auth *auth,
                             doorward_conn *conn) {
        *holder = (Holder){
                .argument = argument,
                .auth = auth,
                .conn = conn,
                .event_fd = wait_fd_new(),
        };
        return holder->event_fd < 0 ? holder->event_fd : 0;
}

static void lease_drop(Holder *holder) {
        holder->wire = wire_free(holder->wire);
        holder->connected = holder->calling = false;
        if (holder->conn)
                (void)conn_unref(holder->conn);
        holder->conn = NULL;
}

static void asking_stop(Holder *holder) {
        if (holder->asking)
                open_deinit(&holder->opening, false);
        holder->asking = false;
}

void holder_deinit(Holder *holder) {
        asking_stop(holder);
        lease_drop(holder);
        holder->event_fd = close_fd(holder->event_fd);
}

void holder_want(Holder *holder) {
        holder->wanted = true;
        holder->again = false;
}

int holder_take_end(Holder *holder) {
        int end = holder->end;

        holder->end = 0;
        return end;
}

static void lease_check(Holder *holder) {
        _cleanup_error_ doorward_error error = {};

        if (!holder->conn || lease_process(&holder->conn->lease, &error) == 0)
                return;

        holder->end = lease_get_end(&holder->conn->lease);
        lease_drop(holder);
}

/* The lease. */

static int asking_start(Holder *holder, doorward_error *error) {
        char uri[URI_TEXT_SIZE];

        holder->asking = true;
        return open_init(&holder->opening, uri_to_string(&holder->argument->uri, uri),
                         holder->argument->access, holder->auth, CONN_HOLD | CONN_NO_ALIASES,
                         error);
}

/* 0 and there is a lease, HOLDER_E_WAIT, -errno and the error. */
static int holder_ask(Holder *holder, doorward_error *error) {
        int r;

        r = holder->asking ? 0 : asking_start(holder, error);
        if (r == 0 && open_process(&holder->opening) > 0)
                return HOLDER_E_WAIT;

        if (r == 0)
                r = open_take(&holder->opening, &holder->conn, error);
        asking_stop(holder);
        return r;
}

/* A descriptor under it. */

static int fetch_connect(Holder *holder, doorward_error *error) {
        int r;

        if (!holder->wire) {
                holder->connect_until = channel_deadline(WIRE_TIMEOUT_MS);
                r = wire_new(holder->conn->socket, &holder->wire, error);
                if (r < 0)
                        return r;
        }

        r = wire_connect(holder->wire, error);
        if (r != -EAGAIN) {
                holder->connected = r == 0;
                return r;
        }

        if (channel_deadline_left(holder->connect_until) == 0)
                return wire_fail_full(holder->wire, error);
        holder->retry_at = channel_deadline(CHANNEL_RETRY_MS);
        return HOLDER_E_WAIT;
}

static int fetch_call(Holder *holder, doorward_error *error) {
        int r;

        r = holder->connected ? 0 : fetch_connect(holder, error);
        if (r != 0)
                return r;

        holder->calling = true;
        holder->connect_until = channel_deadline(WIRE_TIMEOUT_MS);
        return wire_start(holder->wire, METHOD_OPEN, another_parameters(holder->conn), error);
}

static void fetch_end(Holder *holder, bool good) {
        holder->calling = false;
        if (good)
                return;

        holder->wire = wire_free(holder->wire);
        holder->connected = false;
}

static int fetch_take(Holder *holder, WireReply *reply, int *ret_fd, doorward_error *error) {
        const char *problem = reply->continues ? "answered more than it was asked"
                                               : another_problem(holder->conn, reply);

        fetch_end(holder, !problem);
        if (problem)
                return wire_error_protocol(error, "The broker at %s %s.", holder->conn->socket,
                                           problem);

        if (conn_find_kind(reply->connection) != KIND_STREAM) {
                error_set(error, DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_UNSUPPORTED, EPROTOTYPE,
                          "%s is no stream socket, and there can be no private one in its place.",
                          holder->conn->uri.endpoint);
                error_set_hint(error, REPORT_HINT_EXEC);
                return -EPROTOTYPE;
        }

        *ret_fd = TAKE_FD(reply->connection);
        return 0;
}

/* As holder_process(). */
static int fetch_process(Holder *holder, int *ret_fd, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        int r;

        r = holder->calling ? 0 : fetch_call(holder, error);
        if (r != 0)
                return r;

        r = wire_next(holder->wire, 0, &reply, error);
        if (r == -EAGAIN)
                return channel_deadline_left(holder->connect_until) > 0
                               ? HOLDER_E_WAIT
                               : wire_expire(holder->wire, error);
        if (r < 0)
                return r;

        return fetch_take(holder, &reply, ret_fd, error);
}

/* A broker hangs up on a wire on which nobody has called for a while, and when it is restarted;
 * then the call is made once more, on a new one. */
static int holder_fetch(Holder *holder, int *ret_fd, doorward_error *error) {
        int r;

        r = fetch_process(holder, ret_fd, error);
        if (r < 0 && r != -EREMOTEIO && holder->wire && wire_is_unanswered(holder->wire) &&
            !holder->again) {
                doorward_error_clear(error);
                holder->again = true;
                fetch_end(holder, false);
                r = fetch_process(holder, ret_fd, error);
        }

        if (r < 0)
                fetch_end(holder, r == -EREMOTEIO);
        return r;
}

int holder_process(Holder *holder, int *ret_fd, doorward_error *error) {
        int r;

        lease_check(holder);
        if (!holder->wanted)
                return HOLDER_E_WAIT;

        r = holder->conn ? 0 : holder_ask(holder, error);
        if (r == 0)
                r = holder_fetch(holder, ret_fd, error);

        /* The broker knows no lease that has ended, and has told us so on the other wire. */
        if (r == -EREMOTEIO && holder->conn && error->code == DOORWARD_ERR_NO_LEASE) {
                lease_check(holder);
                if (!holder->conn) {
                        doorward_error_clear(error);
                        r = holder_ask(holder, error);
                        if (r == 0)
                                r = holder_fetch(holder, ret_fd, error);
                }
        }

        if (r != HOLDER_E_WAIT)
                holder->wanted = false;
        return r;
}

/* Waiting. */

static void holder_wait(const Holder *holder, Wait *wait) {
        wait_init(wait);
        if (holder->conn)
                wait_add_fd(wait, conn_get_control_fd(holder->conn), POLLIN);

        if (holder->asking)
                open_wait(&holder->opening, wait);
        else if (holder->calling) {
                wait_add_fd(wait, wire_get_fd(holder->wire), wire_get_events(holder->wire));
                wait_add_deadline(wait, holder->connect_until);
        } else if (holder->wire && !holder->connected)
                wait_add_deadline(wait, holder->retry_at);
}

int holder_arm(Holder *holder) {
        Wait wait;

        holder_wait(holder, &wait);
        return wait_fd_arm(holder->event_fd, &wait);
}

int64_t holder_get_deadline(const Holder *holder) {
        Wait wait;

        holder_wait(holder, &wait);
        return wait.deadline;
}
