/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "broker/broker.h"
#include "broker/deadline.h"
#include "broker/lease.h"
#include "broker/question.h"
#include "broker/recheck.h"
#include "broker/session.h"

/* For how long changes are gathered. */
#define GATHER_USEC (250 * UINT64_C(1000))
/* After a question that had no answer. */
#define RETRY_USEC (5 * UINT64_C(1000000))
/* How many may go at once, after some quiet. */
#define BURST 10U
/* How soon it is looked again whether nobody else waits for polkit, and for how long they come
 * first: whoever asks without end is not to put it off without end. */
#define YIELD_USEC (20 * UINT64_C(1000))
#define YIELD_MAX_USEC (500 * UINT64_C(1000))

typedef struct Group Group;

/* Leases that are judged together, by a question about the process of one of them. */
struct Group {
        Recheck *recheck;
        Group *next; /* Recheck::groups */
        Name name;
        Access access;
        uid_t uid, identity;
        char *unit;          /* NULL: none */
        char *login_session; /* the same */
        char *user_name;     /* NULL: they did not prove to be somebody else */
        Peer peer;           /* whose pidfd is the process's */
        Process *process;
        Question question;
        bool waits_for_actions;
        CheckRequest *check;
};

struct Recheck {
        Broker *broker;
        uint64_t generation; /* that the leases are brought to */
        bool running;
        bool failed;        /* some had no answer */
        Deadline gathered;  /* a new pass begins */
        Deadline next;      /* it may go on */
        uint64_t allowance; /* when the rate would be kept to exactly; monotonic */
        uint64_t yielding;  /* since when others come first; 0: they do not */
        unsigned in_flight;
        Group *groups;
};

static void recheck_pump(Recheck *recheck);

/* Groups. */

/* What is observed does not end by what polkit says: it was not granted by that. */
static bool is_judged(const Lease *lease) {
        return lease_is_handed_over(lease) && lease->how != HOW_OBSERVED;
}

static bool strings_equal(const char *a, const char *b) {
        return a == b || (a && b && streq(a, b));
}

static bool group_has(const Group *group, const Lease *lease) {
        return is_judged(lease) && lease->uid == group->uid && lease->identity == group->identity &&
               lease->access == group->access &&
               streq(lease->name.endpoint, group->name.endpoint) &&
               streq(lease->name.instance, group->name.instance) &&
               strings_equal(lease->session->unit, group->unit) &&
               strings_equal(lease->session->login_session, group->login_session) &&
               strings_equal(lease->user_name, group->user_name);
}

static Group *group_free(Group *group) {
        Recheck *recheck = group->recheck;
        Group **p = &recheck->groups;

        while (*p && *p != group)
                p = &(*p)->next;
        if (*p)
                *p = group->next;

        if (group->waits_for_actions)
                authority_forget(recheck->broker->authority, group);
        check_request_cancel(group->check);
        question_deinit(&group->question);
        process_unref(group->process);
        free(group->unit);
        free(group->login_session);
        free(group->user_name);
        free(group);
        return NULL;
}

static int group_new(Recheck *recheck, const Lease *lease, Group **ret) {
        Group *group = calloc(1, sizeof(*group));
        Session *session = lease->session;

        if (!group)
                return -ENOMEM;

        group->recheck = recheck;
        group->name = lease->name;
        group->access = lease->access;
        group->uid = lease->uid;
        group->identity = lease->identity;
        group->peer = session->peer;
        group->process = session->process;
        group->process->n_ref++;
        group->next = recheck->groups;
        recheck->groups = group;

        if (copy_string(session->unit, &group->unit) < 0 ||
            copy_string(session->login_session, &group->login_session) < 0 ||
            copy_string(lease->user_name, &group->user_name) < 0) {
                group_free(group);
                return -ENOMEM;
        }

        *ret = group;
        return 0;
}

/* Marks them as judged, or ends those to which the answer says no. */
static void group_settle(const Group *group, const AuthorityAnswer *answer) {
        Lease *lease = group->recheck->broker->leases;
        bool yes = false, no = false;
        Refusal refusal;

        if (answer && !answer->failure) {
                yes = question_judge(&group->question, answer, false, &refusal);
                no = answer->decision == DECISION_DENIED;
        }

        while (lease) {
                Lease *next = lease->next;

                if (group_has(group, lease)) {
                        lease->generation = group->recheck->generation;
                        if (answer && !answer->failure && !yes && (no || !lease->by_password))
                                lease_end(lease, END_POLICY);
                }
                lease = next;
        }
}

static void group_finish(Group *group, const AuthorityAnswer *answer) {
        Recheck *recheck = group->recheck;

        /* Of one that has ended meanwhile polkit knows nothing; the others of its group may live.
         */
        if (peer_is_alive(&group->peer)) {
                group_settle(group, answer);
                recheck->failed = recheck->failed || !answer || answer->failure;
        }

        recheck->in_flight--;
        group_free(group);
        recheck_pump(recheck);
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Group *group = userdata;

        group->check = NULL;
        group_finish(group, answer);
}

static int group_ask(Group *group) {
        const Broker *broker = group->recheck->broker;
        AuthorityQuestion question;
        uint64_t start_time;
        int r;

        r = process_get_start_time(group->process, &group->peer, &start_time);
        if (r != 0)
                return -ESRCH;

        question_ask(&group->question, &group->peer, start_time, false, &question);
        question.is_recheck = true;
        return check_queue_submit(broker->checks, &question, broker->settings->policy_timeout_usec,
                                  on_answer, group, &group->check);
}

static void group_begin(Group *group);

static void on_actions(int error, void *userdata) {
        Group *group = userdata;

        group->waits_for_actions = false;
        if (error == 0)
                group_begin(group);
        else
                group_finish(group, NULL);
}

static void group_begin(Group *group) {
        Broker *broker = group->recheck->broker;
        const Definition *definition = catalogue_find(broker->catalogue, &group->name);
        Refusal refusal;
        int r;

        /* What is gone has ended its leases already. */
        r = definition ? question_init(&group->question, broker->authority, definition,
                                       &group->name, group->access, &refusal)
                       : -ENOENT;
        if (r == QUESTION_E_UNKNOWN_ACTIONS) {
                r = authority_load_actions(broker->authority, broker->settings->policy_timeout_usec,
                                           on_actions, group);
                group->waits_for_actions = r == 0;
                if (r == 0)
                        return;
        }

        if (r == 0 && group->user_name)
                question_set_identity(&group->question, group->identity, group->user_name);
        if (r == 0)
                r = group_ask(group);
        if (r != 0)
                group_finish(group, NULL);
}

/* The pass. */

static bool recheck_has_in_flight(const Recheck *recheck, const Lease *lease) {
        const Group *group = recheck->groups;

        while (group && !group_has(group, lease))
                group = group->next;
        return group;
}

static const Lease *recheck_find_next(const Recheck *recheck) {
        const Lease *lease = recheck->broker->leases;

        while (lease && (!is_judged(lease) || lease->generation >= recheck->generation ||
                         recheck_has_in_flight(recheck, lease)))
                lease = lease->next;
        return lease;
}

/* When the next question may go: now, if it is not later than that. */
static uint64_t recheck_next_time(Recheck *recheck, uint64_t now) {
        uint64_t interval = 1000000 / recheck->broker->settings->policy_recheck_rate;

        if (check_queue_is_waited_for(recheck->broker->checks)) {
                if (recheck->yielding == 0)
                        recheck->yielding = now;
                if (now < recheck->yielding + YIELD_MAX_USEC)
                        return now + YIELD_USEC;
        }
        if (recheck->allowance < now)
                recheck->allowance = now;
        return recheck->allowance > now + BURST * interval ? recheck->allowance - BURST * interval
                                                           : now;
}

static void recheck_end(Recheck *recheck) {
        recheck->running = false;
        if (recheck->failed && !deadline_is_set(&recheck->gathered)) {
                recheck->broker->generation++;
                (void)deadline_set_relative(&recheck->gathered, RETRY_USEC);
        }
}

static void recheck_pump(Recheck *recheck) {
        Broker *broker = recheck->broker;
        uint64_t now = broker_now(broker), at;
        const Lease *lease;
        Group *group;

        while (recheck->running && recheck->in_flight < broker->settings->policy_rechecks_max) {
                lease = recheck_find_next(recheck);
                if (!lease) {
                        if (recheck->in_flight == 0)
                                recheck_end(recheck);
                        return;
                }

                at = recheck_next_time(recheck, now);
                if (at > now || group_new(recheck, lease, &group) < 0) {
                        (void)deadline_set(&recheck->next, at > now ? at : now + YIELD_USEC);
                        return;
                }

                recheck->yielding = 0;
                recheck->allowance += 1000000 / broker->settings->policy_recheck_rate;
                recheck->in_flight++;
                group_begin(group);
        }
}

static void on_next(void *userdata) {
        recheck_pump(userdata);
}

static void on_gathered(void *userdata) {
        Recheck *recheck = userdata;

        /* One that is under way goes on towards what is known now. */
        recheck->generation = recheck->broker->generation;
        recheck->failed = false;
        recheck->running = true;
        recheck_pump(recheck);
}

void recheck_all(Recheck *recheck) {
        recheck->broker->generation++;
        if (!deadline_is_set(&recheck->gathered) ||
            recheck->gathered.end > broker_now(recheck->broker) + GATHER_USEC)
                (void)deadline_set_relative(&recheck->gathered, GATHER_USEC);
}

void recheck_lease(Recheck *recheck, const Lease *lease) {
        if (!is_judged(lease) || lease->generation >= recheck->broker->generation ||
            recheck_is_pending(recheck))
                return;

        recheck->generation = recheck->broker->generation;
        recheck->running = true;
        (void)deadline_set_relative(&recheck->next, 0);
}

bool recheck_is_pending(const Recheck *recheck) {
        return recheck->running || deadline_is_set(&recheck->gathered);
}

int recheck_new(Broker *broker, Recheck **ret) {
        Recheck *recheck = calloc(1, sizeof(*recheck));

        if (!recheck)
                return -ENOMEM;

        recheck->broker = broker;
        deadline_init(&recheck->gathered, &broker->clock, on_gathered, recheck);
        deadline_init(&recheck->next, &broker->clock, on_next, recheck);
        *ret = recheck;
        return 0;
}

Recheck *recheck_free(Recheck *recheck) {
        if (!recheck)
                return NULL;

        while (recheck->groups)
                group_free(recheck->groups);
        deadline_lift(&recheck->gathered);
        deadline_lift(&recheck->next);
        free(recheck);
        return NULL;
}
