/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <glib-unix.h>

#include "client/wire.h"
#include "helpers/agent-respond.h"

/* To connect and to ask. What comes then takes as long as a person takes. */
#define ASK_TIMEOUT_MS 5000

typedef struct AgentRespond {
        AgentProof proof;
        const char *name;
        Wire *wire;
        guint watch;
        bool conversed;
} AgentRespond;

static AgentProof *respond_free(AgentProof *proof) {
        AgentRespond *respond = (AgentRespond *)proof;

        if (respond->watch)
                (void)g_source_remove(respond->watch);
        wire_free(respond->wire);
        g_free(respond);
        return NULL;
}

/* Careful: @respond may be gone after this. */
static gboolean respond_finish(AgentRespond *respond, const doorward_error *error) {
        respond->watch = 0;
        respond->proof.events->done(error, respond->proof.userdata);
        return G_SOURCE_REMOVE;
}

static int respond_fail_protocol(doorward_error *error) {
        return wire_error_protocol(error, "The broker did not keep to the interface in what it "
                                          "answered to AgentRespond.");
}

/* 1 if that was the last reply. */
static int respond_take(AgentRespond *respond, WireReply *reply, doorward_error *error) {
        if (reply->connection >= 0)
                return respond_fail_protocol(error);
        if (!reply->continues)
                return reply->conversation >= 0 ? respond_fail_protocol(error) : 1;
        if (reply->conversation < 0 || respond->conversed)
                return respond_fail_protocol(error);

        respond->conversed = true;
        respond->proof.events->converse_consume_fd(AGENT_WHOSE_ROOT, TAKE_FD(reply->conversation),
                                                   respond->proof.userdata);
        return 0;
}

/* The broker speaks of what was asked for; here it is about whose password it was. */
static void respond_explain(const AgentRespond *respond, doorward_error *error) {
        const char *after;
        doorward_error earlier = *error;

        if (error->code == DOORWARD_ERR_AUTH_FAILED)
                after = " failed.";
        else if (error->code == DOORWARD_ERR_AUTH_CANCELLED)
                after = " was cancelled.";
        else if (error->code == DOORWARD_ERR_DENIED)
                after = " is not allowed, or not now.";
        else
                return;

        *error = (doorward_error){};
        error_set(error, (doorward_error_domain)earlier.domain, (doorward_error_code)earlier.code,
                  earlier.errnum, "Authentication as %s%s", respond->name, after);
        if (earlier.hint)
                error_set_hint(error, "%s", earlier.hint);
        doorward_error_clear(&earlier);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata) {
        _cleanup_error_ doorward_error error = {};
        AgentRespond *respond = userdata;
        int r = 0;

        while (r == 0) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_next(respond->wire, 0, &reply, &error);
                if (r == -EAGAIN)
                        return G_SOURCE_CONTINUE;
                if (r == 0)
                        r = respond_fail_protocol(&error);
                else if (r > 0)
                        r = respond_take(respond, &reply, &error);
        }

        if (r < 0)
                respond_explain(respond, &error);
        return respond_finish(respond, r < 0 ? &error : NULL);
}

int agent_respond_start(const char *socket, const char *cookie, uid_t uid, const char *name,
                        const AgentProofEvents *events, void *userdata, AgentProof **ret,
                        doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        json_t *parameters;
        AgentRespond *respond;
        int r;

        r = wire_open(socket, ASK_TIMEOUT_MS, &wire, error);
        if (r < 0)
                return r;

        parameters = json_pack("{s:s, s:I}", "cookie", cookie, "user", (json_int_t)uid);
        r = wire_call_more(wire, METHOD_AGENT_RESPOND, parameters, ASK_TIMEOUT_MS, error);
        if (r < 0)
                return r;

        respond = g_new(AgentRespond, 1);
        *respond = (AgentRespond){
                .proof = {.free = respond_free, .events = events, .userdata = userdata},
                .name = name,
                .wire = TAKE_PTR(wire),
        };
        respond->watch = g_unix_fd_add(wire_get_fd(respond->wire), G_IO_IN, on_readable, respond);
        *ret = &respond->proof;
        return 0;
}
