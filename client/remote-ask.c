/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/remote-ask.h"
#include "client/channel.h"
#include "client/export.h"
#include "client/remote-error.h"
#include "client/remote-program.h"
#include "client/wait.h"
#include "client/wire.h"

/* What is quoted of what is no answer. */
#define QUOTE_SIZE 64U

static int fail_message(RemoteLink *link, const Uri *uri, int r, doorward_error *error) {
        char quote[QUOTE_SIZE];

        if (r == -EMSGSIZE)
                return remote_fail_protocol(uri, "what was answered is too long", error);
        if (r != -EBADMSG)
                return error_system(error, r, "The far side cannot be heard");

        remote_link_quote(link, quote, sizeof(quote));
        return remote_fail_garbage(uri, quote, error);
}

int remote_take(RemoteLink *link, const Uri *uri, VarlinkIncoming *incoming, VarlinkReply *reply,
                doorward_error *error) {
        int r;

        r = link->silent ? 0 : remote_link_receive(link, incoming);
        if (r == -EPIPE) {
                link->silent = true;
                r = 0;
        }
        if (r > 0)
                return varlink_reply_parse(incoming->object, reply) < 0
                               ? fail_message(link, uri, -EBADMSG, error)
                               : 1;
        if (r < 0)
                return fail_message(link, uri, r, error);

        return link->silent && link->ended
                       ? remote_fail_ended(uri, link->end.type != 0 ? &link->end : NULL, error)
                       : 0;
}

static void ask_deinit(RemoteLink *link) {
        remote_link_deinit(link, false);
}

/* 1 and the answer; 0: not yet; -errno and the error. */
static int ask_process(RemoteLink *link, const Uri *uri, json_t **ret, doorward_error *error) {
        _cleanup_(varlink_incoming_deinit) VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        TransportMessage line;
        VarlinkReply reply;
        int r;

        while (remote_link_hear(link, &line) > 0)
                ;
        r = remote_take(link, uri, &incoming, &reply, error);
        if (r <= 0)
                return r;
        if (reply.error)
                return remote_fail_refused(uri, &reply, error);

        *ret = reply.parameters ? json_incref(reply.parameters) : json_object();
        return *ret ? 1 : error_no_memory(error);
}

static int ask_wait(const RemoteLink *link, const Uri *uri, int64_t deadline,
                    doorward_error *error) {
        Wait wait;
        int r;

        if (channel_deadline_left(deadline) == 0)
                return remote_fail_late(uri, error);

        wait_init(&wait);
        remote_link_wait(link, &wait);
        wait_add_deadline(&wait, deadline);
        r = wait_block(&wait);
        return r < 0 ? error_system(error, r, "Waiting failed") : 0;
}

static int ask(const Uri *uri, const char *method, json_t *parameters, json_t **ret,
               doorward_error *error) {
        _cleanup_(ask_deinit) RemoteLink link = REMOTE_LINK_NULL;
        int64_t deadline = channel_deadline(WIRE_TIMEOUT_MS);
        int control, data, r;

        r = remote_program_launch(uri, false, &control, &data, error);
        if (r < 0) {
                json_decref(parameters);
                return r;
        }

        remote_link_init_consume_fds(&link, control, data);
        r = remote_link_call(&link, method, parameters);
        if (r < 0)
                return error_system(error, r, "The far side cannot be asked");

        while ((r = ask_process(&link, uri, ret, error)) == 0) {
                r = ask_wait(&link, uri, deadline, error);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : 0;
}

/* A thread that was cancelled would leave what leads there behind. */
int remote_ask(const Uri *uri, const char *method, json_t *parameters, json_t **ret,
               doorward_error *error) {
        int before = export_hold_cancel(), r;

        r = ask(uri, method, parameters, ret, error);
        export_release_cancel(before);
        return r;
}

int remote_ask_object(const Uri *uri, const char *method, const char *member, json_t **ret,
                      doorward_error *error) {
        json_t *parameters, *object;
        const WireField fields[] = {{member, WIRE_OBJECT, false, &object}, {}};
        int r;

        r = remote_ask(uri, method, json_object(), &parameters, error);
        if (r < 0)
                return r;

        r = wire_read(parameters, fields);
        if (r < 0)
                r = remote_fail_protocol(uri, "what was answered cannot be read", error);
        else
                *ret = json_incref(object);
        json_decref(parameters);
        return r;
}
