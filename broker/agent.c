/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/admission.h"
#include "broker/agent.h"
#include "broker/broker.h"
#include "broker/session.h"

/* In the order of the interface. */
enum {
        AGENT_COOKIE,
        AGENT_USER,
};

typedef struct AgentCall {
        Operation operation;
        Session *session;
        UserCharge charge;
        Conversation *conversation;
} AgentCall;

static void operation_free(Operation *operation) {
        AgentCall *call = (AgentCall *)operation;

        if (call->conversation && conversation_has_begun(call->conversation))
                admission_count_failure(call->session);
        conversation_cancel(call->conversation, &call->charge);
        user_charge_deinit(&call->charge);
        free(call);
}

static void on_begun(int fd, void *userdata) {
        AgentCall *call = userdata;

        session_reply_consume(call->session, json_pack("{s:i}", "conversation", 0), fd, true);
}

static void on_done(bool begun, int error, const PamReply *verdict, void *userdata) {
        AgentCall *call = userdata;
        Session *session = call->session;
        Refusal refusal;

        call->conversation = NULL;
        if (error == 0 && verdict->code == VERDICT_PROVEN) {
                session_reply_consume(session, json_object(), -EBADF, false);
                return;
        }

        if (begun)
                admission_count_failure(session);
        if (error != 0)
                refusal_init_helper(&refusal, error);
        else
                refusal_init_verdict(&refusal, verdict);
        session_refuse_recorded(session, &refusal);
}

/* Whether this user's agent may have somebody asked now. */
static int admit(Session *session, UserCharge *charge, Refusal *ret_refusal) {
        int r;

        r = admission_take_token(session, ret_refusal);
        if (r != 0)
                return r;
        if (session->user->used[USER_ASKED_BY_POLKIT] == 0) {
                refusal_init(ret_refusal, ERROR_PERMISSION_DENIED);
                refusal_set_cause(ret_refusal, "polkit asks nothing for this user at present");
                refusal_set_hint(ret_refusal, "This is for an authentication agent that polkit has "
                                              "called, and only then.");
                return ADMISSION_E_REFUSED;
        }

        return admission_take_prompt(session, USER_AGENT_CALLS, true, charge, ret_refusal);
}

static int begin(AgentCall *call, const char *cookie, uid_t uid) {
        Session *session = call->session;
        Broker *broker = session->broker;
        PamRequest request = {.use = PAM_USE_AGENT, .uid = uid};

        (void)copy_text(request.cookie, sizeof(request.cookie), cookie);
        if (peer_get_terminal(&session->peer, &request.tty) != 0)
                request.tty = PAM_PROTOCOL_NO_TTY;

        return conversation_begin(&broker->conversations, &request, session->fd,
                                  broker->settings->interactive_timeout_usec, on_begun, on_done,
                                  call, &call->conversation);
}

/* What polkit's cookies are made of, and more. */
static bool is_cookie(const char *text) {
        size_t n = strlen(text);

        for (const char *c = text; *c; c++)
                if (*c < ' ' || *c > '~')
                        return false;

        return n > 0 && n <= PAM_PROTOCOL_COOKIE_MAX;
}

/* True if it was answered. */
static bool refuse_parameters(Session *session, const FieldValue *values) {
        if (!is_cookie(values[AGENT_COOKIE].string))
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "cookie");
        else if (values[AGENT_USER].integer < 0 || values[AGENT_USER].integer > PEER_UID_MAX)
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "user");
        else if (!session->call.more)
                session_refuse_service(session, ERROR_EXPECTED_MORE, NULL);
        else
                return false;

        return true;
}

void agent_respond(Session *session, const FieldValue *values) {
        AgentCall *call;
        Refusal refusal;
        int r;

        if (refuse_parameters(session, values))
                return;

        call = calloc(1, sizeof(*call));
        if (!call) {
                session_close(session);
                return;
        }
        *call = (AgentCall){.operation = {.free = operation_free}, .session = session};

        r = admit(session, &call->charge, &refusal);
        if (r != 0) {
                free(call);
                session_refuse_recorded(session, &refusal);
                return;
        }

        session_set_operation(session, &call->operation);
        r = begin(call, values[AGENT_COOKIE].string, (uid_t)values[AGENT_USER].integer);
        if (r < 0) {
                refusal_init_helper(&refusal, -r);
                session_refuse_recorded(session, &refusal);
        }
}
