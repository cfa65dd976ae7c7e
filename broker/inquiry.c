/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/inquiry.h"
#include "broker/admission.h"
#include "broker/broker.h"

struct Inquiry {
        Session *session;
        Name name;
        bool template;
        Access access;
        uint64_t start_time;
        Question question;
        bool asked; /* question is there */
        bool waits_for_actions;
        CheckRequest *check;
        sd_event_source *answer; /* for what is known at once */
        Decision decision;
        Refusal refusal;
        InquiryFunc func;
        void *userdata;
};

static void inquiry_judge(Inquiry *inquiry);

static Inquiry *inquiry_free(Inquiry *inquiry) {
        sd_event_source_disable_unref(inquiry->answer);
        question_deinit(&inquiry->question);
        free(inquiry);
        return NULL;
}
DEFINE_CLEANUP(Inquiry *, inquiry_free);

static void inquiry_finish(Inquiry *inquiry) {
        inquiry->func(inquiry->asked ? &inquiry->question : NULL, inquiry->decision,
                      inquiry->refusal.error ? &inquiry->refusal : NULL, inquiry->userdata);
        inquiry_free(inquiry);
}

static int on_deferred(sd_event_source *source, void *userdata) {
        inquiry_finish(userdata);
        return 0;
}

/* Answers without policy, from the loop like any other answer. */
static void inquiry_refuse(Inquiry *inquiry) {
        inquiry->decision = inquiry->refusal.error == ERROR_ACCESS_UNSUPPORTED
                                    ? DECISION_UNSUPPORTED
                                    : DECISION_DENIED;
        (void)sd_event_source_set_enabled(inquiry->answer, SD_EVENT_ONESHOT);
}

static void inquiry_fail(Inquiry *inquiry, const char *cause) {
        refusal_init_no_policy(&inquiry->refusal, cause);
        inquiry_refuse(inquiry);
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Inquiry *inquiry = userdata;

        inquiry->check = NULL;
        inquiry->decision = question_decision(&inquiry->question, answer);
        if (!question_judge(&inquiry->question, answer, false, &inquiry->refusal) &&
            !answer->temporary && answer->failure == AUTHORITY_ANSWERED)
                refusal_set_hint(&inquiry->refusal,
                                 "A rule in /etc/polkit-1/rules.d that answers polkit.Result.YES "
                                 "for %s grants it.",
                                 inquiry->question.action);
        inquiry_finish(inquiry);
}

static void on_actions(int error, void *userdata) {
        Inquiry *inquiry = userdata;

        inquiry->waits_for_actions = false;
        if (error == 0)
                inquiry_judge(inquiry);
        else
                inquiry_fail(inquiry, "polkit does not tell which actions there are");
}

static int inquiry_ask(Inquiry *inquiry) {
        Broker *broker = inquiry->session->broker;
        AuthorityQuestion question;

        inquiry->asked = true;
        question_ask(&inquiry->question, &inquiry->session->peer, inquiry->start_time, false,
                     &question);
        return check_queue_submit(broker->checks, &question, broker->settings->policy_timeout_usec,
                                  on_answer, inquiry, &inquiry->check);
}

/* A template as such answers for no name, but its actions can be asked about. */
static const Definition *inquiry_definition(const Inquiry *inquiry) {
        const Catalogue *catalogue = inquiry->session->broker->catalogue;

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                if (catalogue->definitions[i]->template == inquiry->template &&
                    streq(catalogue->definitions[i]->name, inquiry->name.endpoint))
                        return catalogue->definitions[i];

        return NULL;
}

static void inquiry_judge(Inquiry *inquiry) {
        Broker *broker = inquiry->session->broker;
        const Definition *definition = inquiry_definition(inquiry);
        int r = -ENOENT;

        if (definition)
                r = question_init(&inquiry->question, broker->authority, definition, &inquiry->name,
                                  inquiry->access, &inquiry->refusal);
        if (r == 0)
                r = inquiry_ask(inquiry);
        else if (r == QUESTION_E_UNKNOWN_ACTIONS) {
                r = authority_load_actions(broker->authority, broker->settings->policy_timeout_usec,
                                           on_actions, inquiry);
                inquiry->waits_for_actions = r == 0;
        } else if (r == QUESTION_E_REFUSED) {
                inquiry->asked = true;
                inquiry_refuse(inquiry);
        }

        if (r < 0)
                inquiry_fail(inquiry, strerror(-r));
}

int inquiry_new(Session *session, const Definition *definition, const Name *name, Access access,
                InquiryFunc func, void *userdata, Inquiry **ret) {
        _cleanup_(inquiry_freep) Inquiry *inquiry = calloc(1, sizeof(*inquiry));
        int r;

        if (!inquiry)
                return -ENOMEM;

        r = sd_event_add_defer(session->broker->event, &inquiry->answer, on_deferred, inquiry);
        if (r >= 0)
                r = sd_event_source_set_enabled(inquiry->answer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        inquiry->session = session;
        inquiry->name = *name;
        inquiry->template = definition->template;
        inquiry->access = access;
        inquiry->func = func;
        inquiry->userdata = userdata;

        r = admission_check_access(definition, name, access, &inquiry->refusal);
        if (r == 0)
                r = admission_check_client(definition, name, access, session->peer.uid, false,
                                           &inquiry->refusal);
        if (r == 0)
                r = admission_check_peer(session, access, &inquiry->start_time, &inquiry->refusal);
        if (r == 0)
                inquiry_judge(inquiry);
        else
                inquiry_refuse(inquiry);

        *ret = TAKE_PTR(inquiry);
        return 0;
}

Inquiry *inquiry_cancel(Inquiry *inquiry) {
        if (!inquiry)
                return NULL;

        if (inquiry->waits_for_actions)
                authority_forget(inquiry->session->broker->authority, inquiry);
        check_request_cancel(inquiry->check);
        return inquiry_free(inquiry);
}

Decision inquiry_told_decision(Decision decision, const Refusal *refusal) {
        return refusal && refusal->error == ERROR_POLICY_UNAVAILABLE ? 0 : decision;
}

json_t *inquiry_level_to_json(const Definition *definition, Access access, Decision decision,
                              const char *action) {
        const Target *target = &definition->targets[access];
        json_t *level = json_pack("{s:b}", "provided", target->provided);

        if (!level)
                return NULL;
        if (decision)
                (void)json_object_set_new(level, "decision",
                                          json_string(decision_to_wire(decision)));
        if (action)
                (void)json_object_set_new(level, "action", json_string(action));
        if (!target->provided)
                return level;

        (void)json_object_set_new(level, "kind", json_string(kind_to_wire(target->kind)));
        (void)json_object_set_new(level, "mode", json_string(lease_mode_to_wire(target->mode)));
        if (access == ACCESS_READ_ONLY) {
                (void)json_object_set_new(level, "means",
                                          json_string(means_to_wire(target->means)));
                (void)json_object_set_new(level, "deviceControls",
                                          json_boolean(!target->real_limit));
        }
        if (target->step_up)
                (void)json_object_set_new(level, "stepUp", json_true());
        if (target->max_usec > 0)
                (void)json_object_set_new(level, "maxSec",
                                          json_integer((json_int_t)(target->max_usec / 1000000)));

        return level;
}
