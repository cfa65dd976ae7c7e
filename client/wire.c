/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdio.h>

#include "client/channel.h"
#include "client/failure.h"
#include "client/log.h"
#include "client/seed.h"
#include "client/wire.h"

#define TEXT_UNREADABLE "sent a reply that cannot be read"

struct Wire {
        Channel channel;
        VarlinkInput input;
        VarlinkOutput output; /* what could not be sent yet */

        /* The call that is under way. */
        bool calling;
        MethodId method;
        json_t *parameters; /* kept, in case they are to be sent again with a proof */
        bool more;
        bool may_prove; /* neither proved nor answered yet */
};

static Wire *wire_destroy(Wire *wire) {
        channel_deinit(&wire->channel);
        varlink_input_deinit(&wire->input);
        varlink_output_deinit(&wire->output);
        json_decref(wire->parameters);
        free(wire);
        return NULL;
}

Wire *wire_free(Wire *wire) {
        if (!wire)
                return NULL;

        channel_hang_up(&wire->channel);
        return wire_destroy(wire);
}

Wire *wire_free_copy(Wire *wire) {
        return wire ? wire_destroy(wire) : NULL;
}

int wire_get_fd(const Wire *wire) {
        return wire->channel.fd;
}

short wire_get_events(const Wire *wire) {
        return varlink_output_is_empty(&wire->output) ? POLLIN : POLLOUT;
}

const char *wire_get_path(const Wire *wire) {
        return wire->channel.path;
}

bool wire_is_secure(const Wire *wire) {
        return wire->channel.secure;
}

int wire_error_protocol(doorward_error *error, const char *format, ...) {
        char text[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);

        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, EPROTO, "%s", text);
        return -EBADMSG;
}

int wire_new(const char *path, Wire **ret, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        seed_set();
        wire = malloc(sizeof(*wire));
        if (!wire)
                return error_no_memory(error);

        *wire = (Wire){};
        varlink_input_init(&wire->input, VARLINK_REPLY_MAX);
        r = channel_init(&wire->channel, path, error);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(wire);
        return 0;
}

int wire_connect(Wire *wire, doorward_error *error) {
        return channel_connect(&wire->channel, error);
}

int wire_fail_full(Wire *wire, doorward_error *error) {
        return channel_fail_full(&wire->channel, error);
}

int wire_open(const char *path, int timeout_ms, Wire **ret, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_new(path, &wire, error);
        if (r == 0)
                r = channel_open(&wire->channel, channel_deadline(timeout_ms), error);
        if (r == 0)
                *ret = TAKE_PTR(wire);
        return r;
}

int wire_make_blocking(Wire *wire, int timeout_ms, doorward_error *error) {
        return channel_make_blocking(&wire->channel, timeout_ms, error);
}

/* Sends what there is to be sent. -EAGAIN, with no error set, if the deadline passed. */
static int wire_flush(Wire *wire, int64_t deadline, doorward_error *error) {
        return channel_send(&wire->channel, &wire->output, deadline, error);
}

/* Sends the call that is under way. */
static int wire_send(Wire *wire, int64_t deadline, doorward_error *error) {
        json_t *call;

        log_debug(LOG_CATEGORY_WIRE, "Calling %s%s at %s", interface_methods[wire->method].name,
                  wire->may_prove ? "" : ", with the proof of who asks", wire_get_path(wire));
        call = varlink_call_new(interface_methods[wire->method].name, json_incref(wire->parameters),
                                wire->more);
        if (varlink_output_push_consume(&wire->output, call, -EBADF) < 0)
                return channel_fail_memory(&wire->channel, error);

        return wire_flush(wire, deadline, error);
}

static int wire_fail_closed(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_CONN, ENOTCONN,
                  "The connection to the broker is closed.");
        return -ENOTCONN;
}

static int wire_check_idle(Wire *wire, doorward_error *error) {
        if (wire->channel.fd < 0)
                return wire_fail_closed(error);
        if (wire->calling) {
                error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_CONN, EBUSY,
                          "The connection to the broker is in use by another call.");
                return -EBUSY;
        }
        if (varlink_input_is_partial(&wire->input))
                return channel_fail_protocol(&wire->channel, error,
                                             "answered more than it was asked");

        return 0;
}

static int wire_begin(Wire *wire, MethodId method, json_t *parameters, bool more, int64_t deadline,
                      doorward_error *error) {
        int r;

        r = !parameters ? error_no_memory(error) : wire_check_idle(wire, error);
        if (r < 0) {
                json_decref(parameters);
                return r;
        }

        json_decref(wire->parameters);
        wire->parameters = parameters;
        wire->calling = true;
        wire->method = method;
        wire->more = more;
        wire->may_prove = true;
        return wire_send(wire, deadline, error);
}

/* Whether a reply to the call can bring descriptors. */
static bool wire_wants_fds(const Wire *wire) {
        return wire->method == METHOD_OPEN || wire->method == METHOD_AGENT_RESPOND;
}

/* One message. -EAGAIN if the deadline passed. */
static int wire_take(Wire *wire, int64_t deadline, VarlinkIncoming *ret, doorward_error *error) {
        size_t want_fds = wire_wants_fds(wire) ? VARLINK_FDS_MAX : 0;
        int r;

        while ((r = varlink_input_next(&wire->input, ret)) == 0) {
                r = channel_receive(&wire->channel, &wire->input, want_fds, deadline, error);
                if (r < 0)
                        return r;
        }

        if (r == -EMSGSIZE)
                return channel_fail_protocol(&wire->channel, error,
                                             "sent a reply that is too long");
        if (r == -ENOMEM)
                return channel_fail_memory(&wire->channel, error);
        if (r < 0)
                return channel_fail_protocol(&wire->channel, error, TEXT_UNREADABLE);
        return 0;
}

/* Takes the descriptor with this number out of a message. */
static int take_fd(VarlinkIncoming *incoming, int64_t index, int *ret) {
        int fd;

        if (index < 0 || (uint64_t)index >= incoming->n_fds || incoming->fds[index] < 0)
                return -EBADMSG;

        fd = channel_move_fd_consume(TAKE_FD(incoming->fds[index]));
        if (fd < 0)
                return fd;

        *ret = fd;
        return 0;
}

/* Each descriptor has one name, and each name a descriptor. */
static int take_named_fds(VarlinkIncoming *incoming, const json_t *parameters, WireReply *reply) {
        const int64_t none = INT64_MIN;
        int64_t connection = none, conversation = none;
        const WireField fields[] = {
                {"connection", WIRE_INT, true, &connection},
                {"conversation", WIRE_INT, true, &conversation},
                {},
        };
        int r;

        r = wire_read(parameters, fields);
        if (r == 0 && connection != none)
                r = take_fd(incoming, connection, &reply->connection);
        if (r == 0 && conversation != none)
                r = take_fd(incoming, conversation, &reply->conversation);
        if (r < 0)
                return r;

        for (size_t i = 0; i < incoming->n_fds; i++)
                if (incoming->fds[i] >= 0)
                        return -EBADMSG;

        return 0;
}

static int wire_take_reply(Wire *wire, VarlinkIncoming *incoming, const VarlinkReply *message,
                           WireReply *ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        int r;

        if (message->continues && !wire->more)
                return channel_fail_protocol(&wire->channel, error,
                                             "answered more than it was asked");

        r = wire_wants_fds(wire) ? take_named_fds(incoming, message->parameters, &reply) : 0;
        if (r == -EBADMSG)
                return channel_fail_protocol(&wire->channel, error,
                                             "sent descriptors that do not fit what it said");
        if (r < 0)
                return channel_fail_system(&wire->channel, error, r,
                                           "The descriptor that the broker sent cannot be kept");

        reply.continues = message->continues;
        reply.parameters = message->parameters ? json_incref(message->parameters) : json_object();
        if (!reply.parameters)
                return channel_fail_memory(&wire->channel, error);

        log_debug(LOG_CATEGORY_WIRE, "An answer%s%s, request %s",
                  reply.connection >= 0 || reply.conversation >= 0 ? " with a descriptor" : "",
                  message->continues ? "; the call goes on" : "",
                  json_string_value(json_object_get(reply.parameters, "requestId")) ?: "unknown");
        wire->calling = message->continues;
        wire->may_prove = false;
        *ret = reply;
        reply = (WireReply)WIRE_REPLY_NULL;
        return 0;
}

/* Sends the call again, with what the broker wants to see come from this process. */
static int wire_prove(Wire *wire, const json_t *parameters, int64_t deadline,
                      doorward_error *error) {
        const char *nonce;
        const WireField fields[] = {{"nonce", WIRE_STRING, false, &nonce}, {}};
        int r;

        if (wire_read(parameters, fields) < 0)
                return channel_fail_protocol(&wire->channel, error, TEXT_UNREADABLE);
        if (json_object_set_new(wire->parameters, "proof", json_string(nonce)) < 0)
                return channel_fail_memory(&wire->channel, error);

        wire->may_prove = false;
        r = wire_send(wire, deadline, error);
        return r == -EAGAIN ? 0 : r;
}

/* 1: a reply; 0: nothing for the caller, look again; -errno. */
static int wire_handle(Wire *wire, VarlinkIncoming *incoming, int64_t deadline, WireReply *ret,
                       doorward_error *error) {
        VarlinkReply message;
        int r;

        if (varlink_reply_parse(incoming->object, &message) < 0)
                return channel_fail_protocol(&wire->channel, error, TEXT_UNREADABLE);

        if (!message.error) {
                r = wire_take_reply(wire, incoming, &message, ret, error);
                return r < 0 ? r : 1;
        }

        if (incoming->n_fds > 0)
                return channel_fail_protocol(&wire->channel, error,
                                             "sent descriptors that do not fit what it said");
        if (wire->may_prove && interface_find_error(message.error) == ERROR_IDENTITY_PROOF_REQUIRED)
                return wire_prove(wire, message.parameters, deadline, error);
        if (failure_read(&message, wire->parameters, error) < 0)
                return channel_fail_protocol(&wire->channel, error, TEXT_UNREADABLE);

        /* The call is over, and the wire is good. */
        wire->calling = false;
        return -EREMOTEIO;
}

/* As wire_next(), but for the deadline: -EAGAIN if it passed. */
static int wire_wait(Wire *wire, int64_t deadline, WireReply *ret, doorward_error *error) {
        int r = 0;

        if (wire->channel.fd < 0)
                return wire_fail_closed(error);
        if (!wire->calling)
                return 0;

        while (r == 0) {
                _cleanup_(varlink_incoming_deinit) VarlinkIncoming incoming = VARLINK_INCOMING_NULL;

                r = wire_flush(wire, deadline, error);
                if (r == 0)
                        r = wire_take(wire, deadline, &incoming, error);
                if (r == 0)
                        r = wire_handle(wire, &incoming, deadline, ret, error);
        }

        return r;
}

bool wire_has_input(const Wire *wire) {
        return varlink_input_is_partial(&wire->input);
}

bool wire_is_unanswered(const Wire *wire) {
        return wire->channel.gone && wire->calling && wire->may_prove && !wire_has_input(wire);
}

int wire_expire(Wire *wire, doorward_error *error) {
        return channel_fail_timeout(&wire->channel, error);
}

int wire_next(Wire *wire, int timeout_ms, WireReply *ret, doorward_error *error) {
        int r;

        r = wire_wait(wire, channel_deadline(timeout_ms), ret, error);
        return r == -EAGAIN && timeout_ms != 0 ? channel_fail_timeout(&wire->channel, error) : r;
}

int wire_start(Wire *wire, MethodId method, json_t *parameters, doorward_error *error) {
        int r;

        r = wire_begin(wire, method, parameters, false, channel_deadline(0), error);
        return r == -EAGAIN ? 0 : r;
}

int wire_call_more(Wire *wire, MethodId method, json_t *parameters, int timeout_ms,
                   doorward_error *error) {
        int r;

        r = wire_begin(wire, method, parameters, true, channel_deadline(timeout_ms), error);
        if (r != -EAGAIN)
                return r;

        return timeout_ms == 0 ? 0 : channel_fail_timeout(&wire->channel, error);
}

int wire_call(Wire *wire, MethodId method, json_t *parameters, int timeout_ms, WireReply *ret,
              doorward_error *error) {
        int64_t deadline = channel_deadline(timeout_ms);
        int r;

        r = wire_begin(wire, method, parameters, false, deadline, error);
        if (r == 0)
                r = wire_wait(wire, deadline, ret, error);
        if (r == -EAGAIN)
                return channel_fail_timeout(&wire->channel, error);

        return r < 0 ? r : 0;
}

void wire_reply_deinit(WireReply *reply) {
        json_decref(reply->parameters);
        close_fd(reply->connection);
        close_fd(reply->conversation);
        *reply = (WireReply)WIRE_REPLY_NULL;
}
