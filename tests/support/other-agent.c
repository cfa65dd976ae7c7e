/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * other-agent: stands for the authentication agent of a desktop
 *
 * Registers for the session that it is in and says "ready"; says "asked ACTION" when it is asked,
 * and dismisses the question. Ends with its standard input.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <glib-unix.h>

#define POLKIT_AGENT_I_KNOW_API_IS_SUBJECT_TO_CHANGE
#include <polkitagent/polkitagent.h>

typedef struct OtherAgent {
        PolkitAgentListener parent;
} OtherAgent;

typedef struct OtherAgentClass {
        PolkitAgentListenerClass parent;
} OtherAgentClass;

GType other_agent_get_type(void);
G_DEFINE_TYPE(OtherAgent, other_agent, POLKIT_AGENT_TYPE_LISTENER)

static void say(const char *what, const char *of) {
        printf("%s%s\n", what, of);
        (void)fflush(stdout);
}

static void initiate(PolkitAgentListener *listener, const gchar *action, const gchar *message,
                     const gchar *icon, PolkitDetails *details, const gchar *cookie,
                     GList *identities, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer userdata) {
        GTask *task = g_task_new(listener, cancellable, callback, userdata);

        say("asked ", action);
        g_task_return_new_error(task, POLKIT_ERROR, POLKIT_ERROR_CANCELLED, "no");
        g_object_unref(task);
}

static gboolean initiate_finish(PolkitAgentListener *listener, GAsyncResult *result,
                                GError **error) {
        return g_task_propagate_boolean(G_TASK(result), error);
}

static void other_agent_class_init(OtherAgentClass *class) {
        class->parent.initiate_authentication = initiate;
        class->parent.initiate_authentication_finish = initiate_finish;
}

static void other_agent_init(OtherAgent *agent) {}

static gboolean on_end(gint fd, GIOCondition condition, gpointer userdata) {
        g_main_loop_quit(userdata);
        return G_SOURCE_REMOVE;
}

int main(void) {
        GMainLoop *loop = g_main_loop_new(NULL, FALSE);
        PolkitAgentListener *listener = g_object_new(other_agent_get_type(), NULL);
        PolkitSubject *session;
        GError *error = NULL;

        session = polkit_unix_session_new_for_process_sync(getpid(), NULL, &error);
        if (!session || !polkit_agent_listener_register(listener, POLKIT_AGENT_REGISTER_FLAGS_NONE,
                                                        session, NULL, NULL, &error)) {
                say("failed: ", error->message);
                return EXIT_FAILURE;
        }

        say("ready", "");
        (void)g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_end, loop);
        g_main_loop_run(loop);
        return EXIT_SUCCESS;
}
