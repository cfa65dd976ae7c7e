/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <glib-unix.h>
#include <sys/stat.h>

#define POLKIT_AGENT_I_KNOW_API_IS_SUBJECT_TO_CHANGE
#include <polkitagent/polkitagent.h>

#include "common/conversation-protocol.h"
#include "common/socket.h"
#include "helpers/agent-session.h"

/* Where polkit's helper listens. */
#define HELPER_SOCKET "/run/polkit/agent-helper.socket"

typedef struct AgentSession {
        AgentProof proof;
        PolkitAgentSession *session;
        const char *name;
        guint idle;

        int fd; /* our end of the conversation, once there is one */
        guint watch;
        uint32_t number; /* of the prompt that was sent last */
        bool asking;     /* it has no answer yet */
        bool asked;      /* there was one */

        bool completed, gained, cancelled;
} AgentSession;

bool agent_session_is_wanted(void) {
        struct stat st;

        return stat(HELPER_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void session_hang_up(AgentSession *session) {
        if (session->watch)
                (void)g_source_remove(session->watch);
        session->watch = 0;
        session->fd = close_fd(session->fd);
}

static AgentProof *session_free(AgentProof *proof) {
        AgentSession *session = (AgentSession *)proof;

        session_hang_up(session);
        if (session->idle)
                (void)g_source_remove(session->idle);
        (void)g_signal_handlers_disconnect_by_data(session->session, session);
        /* Ends the helper, if it still runs. */
        g_object_unref(session->session);
        g_free(session);
        return NULL;
}

static void session_explain(const AgentSession *session, doorward_error *error) {
        if (session->cancelled)
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED,
                          "Authentication as %s was cancelled.", session->name);
        else if (session->asked)
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_FAILED, EACCES,
                          "Authentication as %s failed.", session->name);
        else {
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, EACCES,
                          "polkit's helper ended before it asked for anything of %s.",
                          session->name);
                error_set_hint(error, "An administrator finds its reasons in the journal: "
                                      "journalctl -t polkit-agent-helper-1");
        }
}

/* Nothing is done within a signal of libpolkit's, which goes on with its object after it. */
static gboolean on_completed_idle(gpointer userdata) {
        _cleanup_error_ doorward_error error = {};
        AgentSession *session = userdata;

        session->idle = 0;
        session_hang_up(session);
        if (!session->gained)
                session_explain(session, &error);
        session->proof.events->done(session->gained ? NULL : &error, session->proof.userdata);
        return G_SOURCE_REMOVE;
}

static void session_complete(AgentSession *session, bool gained) {
        if (session->completed)
                return;

        session->completed = true;
        session->gained = gained;
        session->idle = g_idle_add(on_completed_idle, session);
}

static void session_cancel(AgentSession *session) {
        session->cancelled = session->cancelled || !session->completed;
        session_complete(session, false);
}

static void on_completed(PolkitAgentSession *s, gboolean gained, gpointer userdata) {
        session_complete(userdata, gained);
}

/* 0, or -errno if it is over: -EAGAIN if nothing is there. */
static int session_receive(AgentSession *session, Answer *ret) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;
        int r;

        n = socket_receive(session->fd, buf, sizeof(buf), 0, &ancillary);
        /* What came in a way that is not meant lies in there all the same. */
        if (n <= 0)
                r = n < 0 ? (int)n : -ECONNRESET;
        else if (!ancillary.has_credentials || ancillary.credentials.uid != getuid())
                r = -EPERM;
        else
                r = answer_decode(buf, (size_t)n, ret);
        explicit_bzero(buf, sizeof(buf));
        return r;
}

/* An answer with a newline would be two: polkit's helper reads lines. */
static bool answer_fits(const AgentSession *session, const Answer *answer) {
        return !answer->cancelled && !session->completed && session->asking &&
               answer->number == session->number && !strchr(answer->text, '\n');
}

static gboolean on_answer(gint fd, GIOCondition condition, gpointer userdata) {
        AgentSession *session = userdata;
        Answer answer = {};
        int r;

        r = session_receive(session, &answer);
        if (r == -EAGAIN)
                return G_SOURCE_CONTINUE;

        if (r == 0 && answer_fits(session, &answer)) {
                session->asking = false;
                polkit_agent_session_response(session->session, answer.text);
        } else
                session_cancel(session);

        explicit_bzero(&answer, sizeof(answer));
        if (!session->completed)
                return G_SOURCE_CONTINUE;

        session->watch = 0;
        return G_SOURCE_REMOVE;
}

static int session_converse(AgentSession *session) {
        int ends[2], r;

        if (session->fd >= 0)
                return 0;

        r = socket_pair(SOCK_NONBLOCK, ends);
        if (r < 0)
                return r;

        session->fd = ends[0];
        session->watch = g_unix_fd_add(session->fd, G_IO_IN, on_answer, session);
        session->proof.events->converse_consume_fd(AGENT_WHOSE_OURS, ends[1],
                                                   session->proof.userdata);
        return 0;
}

static void session_send(AgentSession *session, PromptKind kind, const char *text) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt = {.kind = kind};
        ssize_t r;

        if (session->completed)
                return;

        if (prompt_wants_answer(kind)) {
                session->asked = session->asking = true;
                prompt.number = ++session->number;
        }
        prompt_set_text(&prompt, text);

        r = session_converse(session);
        if (r == 0)
                r = socket_send(session->fd, buf, prompt_encode(&prompt, buf), -EBADF);
        /* Who hung up does not want to go on. */
        if (r < 0)
                session_cancel(session);
}

static void on_request(PolkitAgentSession *s, const gchar *text, gboolean echo, gpointer userdata) {
        session_send(userdata, echo ? PROMPT_ECHO_ON : PROMPT_ECHO_OFF, text);
}

static void on_show_info(PolkitAgentSession *s, const gchar *text, gpointer userdata) {
        session_send(userdata, PROMPT_INFO, text);
}

static void on_show_error(PolkitAgentSession *s, const gchar *text, gpointer userdata) {
        session_send(userdata, PROMPT_ERROR, text);
}

/* It can be over before this returns, which nobody expects of a start. */
static gboolean on_initiate_idle(gpointer userdata) {
        AgentSession *session = userdata;

        session->idle = 0;
        polkit_agent_session_initiate(session->session);
        return G_SOURCE_REMOVE;
}

AgentProof *agent_session_start(const char *cookie, uid_t uid, const char *name,
                                const AgentProofEvents *events, void *userdata) {
        PolkitIdentity *identity = polkit_unix_user_new((gint)uid);
        AgentSession *session = g_new(AgentSession, 1);

        *session = (AgentSession){
                .proof = {.free = session_free, .events = events, .userdata = userdata},
                .name = name,
                .fd = -EBADF,
        };
        session->session = polkit_agent_session_new(identity, cookie);
        g_object_unref(identity);

        g_signal_connect(session->session, "request", G_CALLBACK(on_request), session);
        g_signal_connect(session->session, "show-info", G_CALLBACK(on_show_info), session);
        g_signal_connect(session->session, "show-error", G_CALLBACK(on_show_error), session);
        g_signal_connect(session->session, "completed", G_CALLBACK(on_completed), session);
        session->idle = g_idle_add(on_initiate_idle, session);
        return &session->proof;
}
