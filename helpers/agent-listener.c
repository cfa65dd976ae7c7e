/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-login.h>

#include "helpers/agent-listener.h"

#define ACTION_PREFIX "org.doorward."

struct AgentListener {
        PolkitAgentListener parent;
        AgentLink *link;
        const char *socket;
        bool by_session;
        gpointer registration; /* NULL: polkit does not know it */
        AgentRequest *request; /* the one that is under way */
};

typedef struct AgentListenerClass {
        PolkitAgentListenerClass parent;
} AgentListenerClass;

GType agent_listener_get_type(void);
G_DEFINE_TYPE(AgentListener, agent_listener, POLKIT_AGENT_TYPE_LISTENER)

static void on_done(void *userdata) {
        AgentListener *listener = userdata;

        listener->request = agent_request_free(listener->request);
}

static void listener_initiate(PolkitAgentListener *parent, const gchar *action,
                              const gchar *message, const gchar *icon, PolkitDetails *details,
                              const gchar *cookie, GList *identities, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer userdata) {
        AgentListener *listener = (AgentListener *)parent;
        GTask *task = g_task_new(parent, cancellable, callback, userdata);
        AgentCandidates candidates;

        /* Cancelled or not, polkit is told in its own words. */
        g_task_set_check_cancellable(task, FALSE);

        if (listener->request || !g_str_has_prefix(action, ACTION_PREFIX)) {
                g_task_return_new_error(task, POLKIT_ERROR, POLKIT_ERROR_CANCELLED,
                                        "Nobody is here to be asked about that");
                g_object_unref(task);
                return;
        }

        agent_candidates_read(&candidates, identities, getuid());
        listener->request = agent_request_new_consume(
                &(AgentRequestSpec){
                        .link = listener->link,
                        .socket = listener->socket,
                        .by_session = listener->by_session,
                        .message = message,
                        .cookie = cookie,
                        .candidates = &candidates,
                        .done = on_done,
                        .userdata = listener,
                },
                task);
}

static gboolean listener_initiate_finish(PolkitAgentListener *parent, GAsyncResult *result,
                                         GError **error) {
        return g_task_propagate_boolean(G_TASK(result), error);
}

static void agent_listener_class_init(AgentListenerClass *class) {
        class->parent.initiate_authentication = listener_initiate;
        class->parent.initiate_authentication_finish = listener_initiate_finish;
}

static void agent_listener_init(AgentListener *listener) {}

AgentListener *agent_listener_new(AgentLink *link, const char *socket, bool by_session) {
        AgentListener *listener = g_object_new(agent_listener_get_type(), NULL);

        listener->link = link;
        listener->socket = socket;
        listener->by_session = by_session;
        return listener;
}

void agent_listener_answer(AgentListener *listener, const AgentAnswer *answer) {
        if (listener->request)
                agent_request_answer(listener->request, answer);
}

/* An agent of the whole session, a desktop's, is to be asked rather than this one. But of a process
 * without a session polkit (122 at least) never asks an agent that says so. */
static GVariant *registration_options(pid_t process) {
        _cleanup_free_ char *session = NULL;
        GVariantBuilder options;

        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        if (sd_pid_get_session(process, &session) >= 0)
                g_variant_builder_add(&options, "{sv}", "fallback", g_variant_new_boolean(TRUE));

        return g_variant_builder_end(&options);
}

bool agent_listener_register(AgentListener *listener, pid_t process, uint64_t start_time,
                             GError **error) {
        PolkitSubject *subject;

        subject = polkit_unix_process_new_for_owner((gint)process, start_time, (gint)getuid());
        listener->registration = polkit_agent_listener_register_with_options(
                POLKIT_AGENT_LISTENER(listener), POLKIT_AGENT_REGISTER_FLAGS_NONE, subject, NULL,
                registration_options(process), NULL, error);
        g_object_unref(subject);

        return listener->registration != NULL;
}

void agent_listener_stop(AgentListener *listener) {
        listener->request = agent_request_free(listener->request);

        /* polkit gets its answers before it is told that there will be none any more. */
        while (g_main_context_iteration(NULL, FALSE))
                ;
        if (listener->registration)
                polkit_agent_listener_unregister(listener->registration);
        listener->registration = NULL;
}
