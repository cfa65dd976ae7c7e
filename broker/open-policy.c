/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/broker.h"
#include "broker/open-internal.h"

/* How long an answer is waited for on which nothing depends. */
#define OBSERVED_USEC (2 * UINT64_C(1000000))

static void open_ask(Open *open);

/* What polkit says, or does not, is put down, and that is all that comes of it. False if the time
 * for that is over by now: it is judged as any other. */
static bool open_observe(Open *open, const AuthorityAnswer *answer) {
        const Definition *definition = open_definition(open);
        Observer *observer = open->session->broker->observer;

        if (open->observed && definition)
                open->observed = observer_get_state(observer, definition) == OBSERVATION_ACTIVE;
        if (!open->observed)
                return false;

        if (answer && answer->failure == AUTHORITY_ANSWERED)
                /* A password was typed a while ago, which without a rule would be asked for. */
                open->policy = answer->temporary && answer->decision == DECISION_AUTHORIZED
                                       ? DECISION_CHALLENGE
                                       : question_decision(&open->question, answer);
        open_advance(open);
        return true;
}

/* It could not be asked. */
static void open_refuse_unjudged(Open *open, Refusal *refusal) {
        if (!open_observe(open, NULL))
                open_refuse(open, refusal);
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Open *open = userdata;
        Refusal refusal;

        open->check = NULL;
        session_trace(open->session, "polkit answers: %s%s%s",
                      answer->failure ? answer->text ?: "nothing"
                                      : decision_to_string(answer->decision),
                      answer->temporary ? ", for a while" : "",
                      open->prompting ? "; people could be asked" : "");
        user_charge_deinit(&open->by_polkit);
        user_charge_deinit(&open->prompt);

        if (open_observe(open, answer))
                return;
        if (question_judge(&open->question, answer, open->prompting, &refusal)) {
                open->temporary = answer->temporary;
                open_advance(open);
                return;
        }

        /* Only now is it known that somebody has to be asked. */
        if (refusal.error == ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED && open->may_prompt &&
            !open->prompting) {
                open->prompting = true;
                if (open_continues(open))
                        open_ask(open);
                return;
        }

        open_refuse(open, &refusal);
}

static void refuse_prompts(Open *open) {
        Refusal refusal;

        refusal_init_limit(&refusal, "prompts", 0);
        refusal_set_hint(&refusal, "Too many users are being asked for a password at present: try "
                                   "again later.");
        open_refuse_unjudged(open, &refusal);
}

/* How long polkit has. Without a prompt it is what is left since the request began to be judged. */
static uint64_t time_left(const Open *open) {
        const Broker *broker = open->session->broker;
        uint64_t now = broker_now(open->session->broker);

        if (open->prompting)
                return broker->settings->interactive_timeout_usec;
        return open->policy_end > now ? open->policy_end - now : 1;
}

static void open_ask(Open *open) {
        Session *session = open->session;
        AuthorityQuestion question;
        int r = 0;

        if (open->prompting) {
                if (!open_take_prompt(open, false))
                        return;
                r = user_charge(session->user, USER_ASKED_BY_POLKIT, 1, &open->by_polkit);
        }
        if (r == 0) {
                open->generation = session->broker->generation;
                question_ask(&open->question, &session->peer, open->start_time, open->prompting,
                             &question);
                r = check_queue_submit(session->broker->checks, &question, time_left(open),
                                       on_answer, open, &open->check);
        }

        if (r == -EBUSY)
                refuse_prompts(open);
        else if (r != 0)
                open_fail(open, r);
        else
                /* polkit has something to do, and now there is time. */
                session_look_up(session);
}

static void on_actions(int error, void *userdata);

/* Finds the action, then asks. */
static void open_find_action(Open *open) {
        Broker *broker = open->session->broker;
        Refusal refusal;
        int r;

        r = question_init(&open->question, broker->authority, open_definition(open), &open->name,
                          open->access, &refusal);
        if (r == 0) {
                if (open->wants_identity)
                        question_set_identity(&open->question, open->identity, open->user_name);
                open_ask(open);
        } else if (r == QUESTION_E_REFUSED)
                open_refuse_unjudged(open, &refusal);
        else {
                if (r == QUESTION_E_UNKNOWN_ACTIONS)
                        r = authority_load_actions(broker->authority, time_left(open), on_actions,
                                                   open);
                open->waits_for_actions = r == 0;
                if (r < 0)
                        open_fail(open, r);
        }
}

static void on_actions(int error, void *userdata) {
        Open *open = userdata;
        Refusal refusal;

        open->waits_for_actions = false;
        if (error == 0) {
                if (open_continues(open))
                        open_find_action(open);
                return;
        }

        refusal_init_no_policy(&refusal, "polkit does not tell which actions there are");
        open_refuse_unjudged(open, &refusal);
}

bool open_judge(Open *open) {
        Broker *broker = open->session->broker;
        uint64_t usec = broker->settings->policy_timeout_usec;

        open->observed = !open->wants_identity &&
                         observer_admits(broker->observer, open_definition(open), open->session);
        if (open->observed && usec > OBSERVED_USEC)
                usec = OBSERVED_USEC;
        open->policy_end = broker_now(broker) + usec;
        open_find_action(open);
        return false;
}
