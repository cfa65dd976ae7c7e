/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/agent-request.h"
#include "helpers/agent-respond.h"
#include "helpers/agent-session.h"

struct AgentRequest {
        AgentRequestSpec spec;
        AgentCandidates candidates;
        char *cookie;
        bool choosing;     /* the library was asked */
        AgentProof *proof; /* once it is known of whom */

        GTask *task; /* NULL once it is over */
        gulong cancelled_handler;
        guint idle;
};

static gboolean on_done_idle(gpointer userdata) {
        AgentRequest *request = userdata;

        request->idle = 0;
        request->spec.done(request->spec.userdata);
        return G_SOURCE_REMOVE;
}

/* Answers polkit: text NULL is success. */
static void request_finish(AgentRequest *request, PolkitError code, const char *text) {
        GTask *task = TAKE_PTR(request->task);

        if (!task)
                return;

        request->choosing = false;
        request->proof = agent_proof_free(request->proof);
        if (request->cancelled_handler)
                g_signal_handler_disconnect(g_task_get_cancellable(task),
                                            request->cancelled_handler);

        if (text)
                g_task_return_new_error(task, POLKIT_ERROR, (gint)code, "%s", text);
        else
                g_task_return_boolean(task, TRUE);
        g_object_unref(task);

        /* Before whatever comes next: it would find this one in its place. */
        request->idle = g_idle_add_full(G_PRIORITY_HIGH, on_done_idle, request, NULL);
}

static void request_dismiss(AgentRequest *request) {
        request_finish(request, POLKIT_ERROR_CANCELLED, "It was dismissed");
}

static void request_fail(AgentRequest *request, const doorward_error *error) {
        AgentMessage message = {.type = AGENT_END, .code = (uint8_t)error->code};

        agent_message_set_text(&message, error->message);
        agent_message_set_hint(&message, error->hint);
        (void)agent_link_send(request->spec.link, &message, -EBADF);

        if (error->code == DOORWARD_ERR_AUTH_CANCELLED)
                request_dismiss(request);
        else
                request_finish(request, POLKIT_ERROR_FAILED, "It failed");
}

/* If it cannot be passed on, its other end notices that nobody is there. */
static void on_converse_consume_fd(AgentWhose whose, int fd, void *userdata) {
        AgentMessage message = {.type = AGENT_CONVERSATION, .whose = whose};
        _cleanup_close_ int taken = fd;
        AgentRequest *request = userdata;

        (void)agent_link_send(request->spec.link, &message, taken);
}

static void on_proof_done(const doorward_error *error, void *userdata) {
        AgentRequest *request = userdata;

        if (error)
                request_fail(request, error);
        else
                request_finish(request, POLKIT_ERROR_FAILED, NULL);
}

static const AgentProofEvents proof_events = {
        .converse_consume_fd = on_converse_consume_fd,
        .done = on_proof_done,
};

static void request_prove(AgentRequest *request, size_t index) {
        const char *name = request->candidates.names[index];
        uid_t uid = request->candidates.uids[index];
        _cleanup_error_ doorward_error error = {};
        int r = 0;

        if (request->spec.by_session || agent_session_is_wanted())
                request->proof =
                        agent_session_start(request->cookie, uid, name, &proof_events, request);
        else
                r = agent_respond_start(request->spec.socket, request->cookie, uid, name,
                                        &proof_events, request, &request->proof, &error);
        if (r < 0)
                request_fail(request, &error);
}

void agent_request_answer(AgentRequest *request, const AgentAnswer *answer) {
        if (!request->choosing || answer->cancelled || answer->index >= request->candidates.n) {
                request_dismiss(request);
                return;
        }

        request->choosing = false;
        request_prove(request, answer->index);
}

static void request_ask(AgentRequest *request) {
        const AgentCandidates *candidates = &request->candidates;
        AgentMessage message = {.type = AGENT_CHOOSE, .n_names = candidates->n};

        agent_message_set_text(&message, request->spec.message);
        memcpy(message.names, candidates->names, sizeof(message.names));

        if (agent_link_send(request->spec.link, &message, -EBADF) < 0)
                request_dismiss(request);
        else
                request->choosing = true;
}

static void request_fail_nobody(AgentRequest *request) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, EACCES,
                  "polkit names nobody who could authenticate.");
        error_set_hint(&error, "polkit's rules say who is an administrator: see "
                               "polkit.addAdminRule() in polkit(8).");
        request_fail(request, &error);
}

/* polkit takes it back. The person who was asked for a name is not to be kept; the other end of a
 * conversation hangs up. */
static void on_cancelled(GCancellable *cancellable, gpointer userdata) {
        static const AgentMessage message = {.type = AGENT_END};
        AgentRequest *request = userdata;

        (void)agent_link_send(request->spec.link, &message, -EBADF);
        request_dismiss(request);
}

AgentRequest *agent_request_new_consume(const AgentRequestSpec *spec, GTask *task) {
        GCancellable *cancellable = g_task_get_cancellable(task);
        AgentRequest *request = g_new0(AgentRequest, 1);

        request->spec = *spec;
        request->candidates = *spec->candidates;
        request->cookie = g_strdup(spec->cookie);
        request->task = task;
        if (cancellable)
                request->cancelled_handler = g_signal_connect(cancellable, "cancelled",
                                                              G_CALLBACK(on_cancelled), request);

        if (request->candidates.n == 0)
                request_fail_nobody(request);
        else
                request_ask(request);

        request->spec.message = request->spec.cookie = NULL;
        request->spec.candidates = NULL;
        return request;
}

AgentRequest *agent_request_free(AgentRequest *request) {
        if (!request)
                return NULL;

        request_dismiss(request);
        if (request->idle)
                (void)g_source_remove(request->idle);
        g_free(request->cookie);
        g_free(request);
        return NULL;
}
