/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-login.h>

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/explain.h"
#include "broker/inquiry.h"

/* In the order of the interface. */
enum {
        EXPLAIN_ENDPOINT,
        EXPLAIN_ACCESS,
};

typedef struct Explain {
        Operation operation;
        Session *session;
        Name name;
        Access access;
        Inquiry *inquiry;
} Explain;

static void operation_free(Operation *operation) {
        Explain *e = (Explain *)operation;

        inquiry_cancel(e->inquiry);
        free(e);
}

/* The session that polkit takes the process to be in: its own, or for a process of the user's
 * manager the one on display. NULL if there is none. The string is the caller's. */
static char *find_session(pid_t pid) {
        char *session = NULL;
        uid_t uid;

        if (sd_pid_get_session(pid, &session) >= 0)
                return session;
        if (sd_pid_get_owner_uid(pid, &uid) >= 0 && sd_uid_get_display(uid, &session) >= 0)
                return session;
        return NULL;
}

/* Which of an action's three defaults applies, as polkit decides it: a session without a seat, like
 * one of ssh, is any; on a seat, active is whether the user is. */
static const char *session_class(uid_t uid, const char *session) {
        _cleanup_free_ char *seat = NULL, *state = NULL;

        if (!session || sd_session_get_seat(session, &seat) < 0)
                return "any";
        if (sd_uid_get_state(uid, &state) < 0 || !streq(state, "active"))
                return "inactive";
        return "active";
}

static json_t *optional(const char *text) {
        return text ? json_string(text) : json_null();
}

static const char *explain_hint(const Refusal *refusal) {
        if (!refusal)
                return "It would be granted.";
        return refusal->hint[0] ? refusal->hint : refusal->cause;
}

static json_t *optional_observation(const Explain *e, const Definition *definition) {
        json_t *observation =
                observer_to_json(e->session->broker->observer, definition, e->session);

        return observation ?: json_null();
}

static json_t *explain_to_json(const Explain *e, const Definition *definition,
                               const Question *question, Decision decision,
                               const Refusal *refusal) {
        const Peer *peer = &e->session->peer;
        _cleanup_free_ char *session = find_session(peer->pid);
        char action[ACTION_TEXT_SIZE];
        AuthorityAction none = {};
        const AuthorityAction *info = question ? &question->info : &none;
        const char *id;

        id = question ? question->action : action_endpoint_id(definition->name, e->access, action);
        return json_pack(
                "{s:I, s:I, s:o, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:s, s:o}",
                "uid", (json_int_t)peer->uid, "pid", (json_int_t)peer->pid, "session",
                optional(session), "sessionClass", session_class(peer->uid, session), "action", id,
                "shared", question ? question->shared : definition->template, "registered",
                info->registered && !(question && question->generic), "defaultAny",
                optional(info->default_any), "defaultInactive", optional(info->default_inactive),
                "defaultActive", optional(info->default_active), "decision",
                decision_to_wire(decision), "level",
                inquiry_level_to_json(definition, e->access,
                                      inquiry_told_decision(decision, refusal), id),
                "connectAs", definition_connect_as(definition), "problem",
                refusal ? optional(refusal->cause) : optional(definition->problem), "hint",
                explain_hint(refusal), "observation", optional_observation(e, definition));
}

static void on_inquired(const Question *question, Decision decision, const Refusal *refusal,
                        void *userdata) {
        Explain *e = userdata;
        const Definition *definition = catalogue_find(e->session->broker->catalogue, &e->name);
        Refusal gone;

        e->inquiry = NULL;
        if (definition) {
                session_reply_consume(e->session,
                                      explain_to_json(e, definition, question, decision, refusal),
                                      -EBADF, false);
                return;
        }

        refusal_init(&gone, ERROR_ENDPOINT_NOT_FOUND);
        (void)name_to_string(&e->name, gone.endpoint);
        refusal_set_hint(&gone, "The definition was removed meanwhile.");
        session_refuse(e->session, &gone);
}

void explain(Session *session, const FieldValue *values) {
        const Definition *definition;
        Refusal refusal;
        Name name;
        Explain *e;
        int r;

        r = admission_take_token(session, &refusal);
        if (r == 0)
                r = admission_find(session->broker, values[EXPLAIN_ENDPOINT].string, &name,
                                   &definition, &refusal);
        if (r != 0) {
                session_refuse(session, &refusal);
                return;
        }

        e = calloc(1, sizeof(*e));
        if (!e) {
                session_close(session);
                return;
        }

        e->operation.free = operation_free;
        e->session = session;
        e->name = name;
        e->access = (Access)values[EXPLAIN_ACCESS].access;
        session_set_operation(session, &e->operation);
        if (inquiry_new(session, definition, &name, e->access, on_inquired, e, &e->inquiry) < 0)
                session_close(session);
}
