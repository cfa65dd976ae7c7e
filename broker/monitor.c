/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/monitor.h"
#include "broker/broker.h"
#include "broker/permission.h"
#include "broker/session.h"
#include "policy/instant.h"

/* What may wait to be read. */
#define BEHIND_MAX 65536U

struct Monitor {
        Operation operation;
        Monitor *next, *previous; /* Broker::monitors, once it is allowed */
        Session *session;
        bool all;
        bool watching;
        Permission *permission;
};

static void monitor_begin(Monitor *m) {
        Broker *broker = m->session->broker;

        m->watching = true;
        m->next = broker->monitors;
        if (broker->monitors)
                broker->monitors->previous = m;
        broker->monitors = m;
}

static void operation_free(Operation *operation) {
        Monitor *m = (Monitor *)operation;

        permission_cancel(m->permission);
        if (m->watching) {
                if (m->previous)
                        m->previous->next = m->next;
                else
                        m->session->broker->monitors = m->next;
                if (m->next)
                        m->next->previous = m->previous;
        }
        free(m);
}

static void on_permission(const Refusal *refusal, void *userdata) {
        Monitor *m = userdata;

        m->permission = NULL;
        if (refusal)
                session_refuse(m->session, refusal);
        else
                monitor_begin(m);
}

void monitor(Session *session, const FieldValue *values) {
        Monitor *m;
        int r = 1;

        if (!session->call.more) {
                session_refuse_service(session, ERROR_EXPECTED_MORE, NULL);
                return;
        }

        m = calloc(1, sizeof(*m));
        if (!m) {
                session_close(session);
                return;
        }

        m->operation.free = operation_free;
        m->session = session;
        m->all = values[0].boolean;
        session_set_operation(session, &m->operation);

        if (m->all)
                r = permission_ask(session, on_permission, m, &m->permission);
        if (r < 0)
                session_close(session);
        else if (r > 0)
                monitor_begin(m);
}

static json_t *event_to_json(const char *event, const char *outcome, const RecordFields *fields) {
        json_t *object;

        object = json_pack("{s:I, s:s, s:s, s:I, s:I, s:s, s:s}", "time", (json_int_t)instant_now(),
                           "event", event, "endpoint", fields->endpoint ? fields->endpoint : "",
                           "uid", (json_int_t)fields->subject_uid, "pid",
                           (json_int_t)fields->subject_pid, "outcome", outcome, "request",
                           fields->request ? fields->request : "");
        if (object && fields->access)
                (void)json_object_set_new(object, "access",
                                          json_string(access_to_wire(fields->access)));
        if (object && fields->lease)
                (void)json_object_set_new(object, "lease", json_string(fields->lease));
        if (object && fields->connect_as)
                (void)json_object_set_new(object, "connectAs", json_string(fields->connect_as));
        return object ? json_pack("{s:o}", "event", object) : NULL;
}

void monitor_tell(Broker *broker, const char *event, const char *outcome,
                  const RecordFields *fields) {
        Monitor *m = broker->monitors;

        while (m) {
                Monitor *next = m->next;
                Session *session = m->session;
                uid_t uid = session->peer.uid;

                if (!m->all && uid != fields->subject_uid && uid != fields->identity_uid) {
                        m = next;
                        continue;
                }

                /* It is gone after this if it does not read. */
                session_reply_consume(session, event_to_json(event, outcome, fields), -EBADF, true);
                if (session->state == SESSION_BUSY && session->output.size > BEHIND_MAX)
                        session_close(session);
                m = next;
        }
}
