/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/permission.h"
#include "broker/admission.h"
#include "broker/broker.h"
#include "policy/action.h"

#define HINT_ROOT \
        "Only who may manage leases sees and ends those of others: run it as root, with sudo."

struct Permission {
        Session *session;
        PermissionFunc func;
        void *userdata;
        Refusal refusal;        /* what was wrong before polkit was asked */
        CheckRequest *check;    /* or what polkit says, */
        sd_event_source *defer; /* told from the loop */
};

static Permission *permission_free(Permission *permission) {
        check_request_cancel(permission->check);
        sd_event_source_disable_unref(permission->defer);
        free(permission);
        return NULL;
}

static void permission_finish(Permission *permission, const Refusal *refusal) {
        PermissionFunc func = permission->func;
        void *userdata = permission->userdata;
        Refusal copy;

        if (refusal)
                copy = *refusal;
        permission_free(permission);
        func(refusal ? &copy : NULL, userdata);
}

static int on_defer(sd_event_source *source, uint64_t usec, void *userdata) {
        Permission *permission = userdata;

        permission_finish(permission, &permission->refusal);
        return 0;
}

static void judge(const AuthorityAnswer *answer, Refusal *ret) {
        if (answer->failure) {
                refusal_init(ret, ERROR_POLICY_UNAVAILABLE);
                refusal_set_cause(ret, "polkit: %s", answer->text ? answer->text : "no answer");
                refusal_set_hint(ret, "polkit is not there, or did not answer, of which root is "
                                      "not in need. An administrator starts it with: systemctl "
                                      "restart polkit");
        } else if (answer->decision == DECISION_CHALLENGE) {
                refusal_init(ret, ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED);
                refusal_set_cause(ret, "a password is needed and nobody may be asked");
                refusal_set_hint(ret, HINT_ROOT);
        } else {
                refusal_init(ret, ERROR_PERMISSION_DENIED);
                refusal_set_cause(ret, "polkit says no");
                refusal_set_hint(ret, HINT_ROOT);
        }
        ret->action = ACTION_MANAGE_LEASES;
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Permission *permission = userdata;
        Session *session = permission->session;
        Refusal refusal;

        permission->check = NULL;
        if (!peer_is_alive(&session->peer)) {
                refusal_init(&refusal, ERROR_POLICY_UNAVAILABLE);
                refusal_set_cause(&refusal, "the client's process has ended");
        } else if (!answer->failure && answer->decision == DECISION_AUTHORIZED) {
                permission_finish(permission, NULL);
                return;
        } else
                judge(answer, &refusal);

        permission_finish(permission, &refusal);
}

static int permission_submit(Permission *permission, uint64_t start_time) {
        Session *session = permission->session;
        AuthorityQuestion question = {
                .uid = session->peer.uid,
                .peer_uid = session->peer.uid,
                .pid = session->peer.pid,
                .pidfd = session->peer.pidfd,
                .start_time = start_time,
                .action = ACTION_MANAGE_LEASES,
        };

        return check_queue_submit(session->broker->checks, &question,
                                  session->broker->settings->policy_timeout_usec, on_answer,
                                  permission, &permission->check);
}

int permission_ask(Session *session, PermissionFunc func, void *userdata, Permission **ret) {
        Permission *permission = calloc(1, sizeof(*permission));
        uint64_t start_time;
        int r;

        if (!permission)
                return -ENOMEM;

        permission->session = session;
        permission->func = func;
        permission->userdata = userdata;

        r = admission_take_token(session, &permission->refusal);
        if (r == 0)
                r = admission_check_peer(session, ACCESS_FULL, &start_time, &permission->refusal);
        if (r != 0)
                r = sd_event_add_time(session->broker->event, &permission->defer, CLOCK_MONOTONIC,
                                      0, 1, on_defer, permission);
        else if (session->peer.uid == 0)
                r = 1;
        else
                r = permission_submit(permission, start_time);
        if (r != 0)
                permission_free(permission);
        else
                *ret = permission;
        return r;
}

Permission *permission_cancel(Permission *permission) {
        return permission ? permission_free(permission) : NULL;
}
