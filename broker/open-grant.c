/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/keep.h"
#include "broker/open-internal.h"
#include "common/jsontext.h"

static void open_call_opener(Open *open);

/* The reply. */

static How open_how(const Open *open) {
        return open->observed ? HOW_OBSERVED : open->prompting ? HOW_CHALLENGED : HOW_IMPLICIT;
}

/* What polkit said where it was not asked for leave. */
static const char *open_policy(const Open *open) {
        if (!open->observed)
                return NULL;
        return open->policy ? decision_to_string(open->policy) : "unavailable";
}

/* What PAM was asked for, in words. */
static const char *open_proof(const Open *open) {
        if (open->wants_identity)
                return open->stepped_up   ? "identity step-up"
                       : open->remembered ? "identity kept"
                                          : "identity";
        return open->stepped_up ? "step-up" : open->remembered ? "kept" : NULL;
}

static json_t *granted_to_json(const Open *open, const Lease *lease) {
        const JsonMember members[] = {
                {"state", "granted"},
                {"access", access_to_wire(open->access)},
                {"mode", lease_mode_to_wire(open->mode)},
                {"means", open->means ? means_to_wire(open->means) : NULL},
                {"action", open->question.action},
                {"how", how_to_wire(open_how(open))},
                {"connectAs", open->question.connect_as},
                {"lease", lease ? lease->id : NULL},
        };
        json_t *reply = jsontext_new_object(members, ELEMENTSOF(members));

        if (open->fd >= 0)
                reply = jsontext_add(reply, "connection", json_integer(0));
        if (open_proof(open))
                reply = jsontext_add(reply, "pam", json_true());
        if (lease && lease->until_logout)
                reply = jsontext_add(reply, "logout", json_boolean(lease->logout != LOGOUT_NEVER));
        if (lease)
                reply = jsontext_add(reply, "kept", json_boolean(lease->kept != NULL));
        if (lease && lease->expires > 0)
                reply = jsontext_add(reply, "expires", json_integer((json_int_t)lease->expires));

        return reply;
}

/* Whoever watches. */
static void open_tell(const Open *open) {
        const Session *session = open->session;
        char endpoint[NAME_TEXT_SIZE];
        const RecordFields fields = {
                .endpoint = name_to_string(&open->name, endpoint),
                .access = open->access,
                .subject_uid = session->peer.uid,
                .identity_uid = open->identity,
                .subject_pid = session->peer.pid,
                .connect_as = open->question.connect_as,
                .lease = open->lease ? open->lease->id : NULL,
                .request = session->request,
        };

        monitor_tell(session->broker, "granted", how_to_wire(open_how(open)), &fields);
}

static void open_grant(Open *open) {
        Session *session = open->session;
        Lease *lease = open->lease;
        json_t *reply;
        int fd, r;

        r = lease ? lease_begin(lease) : 0;
        if (r < 0) {
                open_fail(open, r);
                return;
        }

        if (lease)
                keep_lease(lease);
        reply = granted_to_json(open, lease);
        open_tell(open);
        if (open->observed && open_definition(open))
                observer_count(session->broker->observer, open_definition(open), open->policy);
        fd = TAKE_FD(open->fd);
        open->lease = NULL;

        /* From here on it is a grant, whose end has a record of its own. */
        open->recorded = true;
        if (fd >= 0)
                session_expect_delivery(session);
        if (lease)
                session_set_lease(session, lease);
        session_reply_consume(session, reply, fd, lease != NULL);

        /* The definition can have been changed while the record was waited for. */
        if (session->lease && !lease_is_current(session->lease))
                lease_end(session->lease, END_DEFINITION);
        /* As can the time for which it is observed, or the session; somebody can have taken it back
         * before it was there; and policy can have changed since it was asked. */
        if (session->lease)
                observer_check_lease(session->broker->observer, session->lease);
        if (session->lease)
                logins_check(session->broker->logins, session->lease);
        if (session->lease && lease_is_blocked(session->lease))
                lease_end(session->lease, END_REVOKED);
        if (session->lease)
                recheck_lease(session->broker->recheck, session->lease);
}

static void on_recorded(int error, void *userdata) {
        Open *open = userdata;
        Refusal refusal;

        /* Who ended meanwhile was granted it, as it stands in the journal by now: that ends as any
         * grant does. */
        open->record = NULL;
        if (error == 0) {
                open_grant(open);
                return;
        }

        refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal.error_number = -error;
        refusal_set_cause(&refusal, "the grant could not be recorded in the journal");
        refusal_set_hint(&refusal, "The journal does not take records at present, and nothing is "
                                   "granted without one: 'systemctl status systemd-journald' "
                                   "says how it is.");
        open_refuse(open, &refusal);
}

bool open_record(Open *open) {
        Broker *broker = open->session->broker;
        char endpoint[NAME_TEXT_SIZE];
        RecordFields fields;
        JournalEntry entry;
        int r;

        session_get_record_fields(open->session, &fields);
        fields.endpoint = name_to_string(&open->name, endpoint);
        fields.access = open->access;
        fields.decision = DECISION_AUTHORIZED;
        fields.identity_uid = open->identity;
        fields.how = open_how(open);
        fields.policy = open_policy(open);
        fields.proof = open_proof(open);
        fields.action = open->question.action;
        fields.connect_as = open->question.connect_as;
        fields.mode = open->mode;
        fields.lease = open->lease ? open->lease->id : NULL;
        record_format_grant(&entry, &fields);

        if (!broker->settings->audit_required) {
                record_put(broker->record, &entry);
                open_grant(open);
                return false;
        }

        r = record_put_and_wait(broker->record, &entry, broker->settings->audit_timeout_usec,
                                on_recorded, open, &open->record);
        if (r > 0)
                open_grant(open);
        else if (r < 0)
                on_recorded(r, open);

        return false;
}

/* The opener. */

/* Asked before the opener is, and when it has answered: others were given theirs meanwhile. */
static bool leases_are_all_taken(const Open *open, Refusal *ret_refusal) {
        const Broker *broker = open->session->broker;

        if (broker->n_leases < broker->settings->leases_max)
                return false;

        refusal_init_limit(ret_refusal, "LeasesMax", 0);
        return true;
}

static void on_reached(Reached *reached, void *userdata) {
        Open *open = userdata;

        open->reach = NULL;
        open->fd = reached->fd;
        open->link = reached->link;

        if (reached->refusal) {
                reached->refusal->action = open->question.action;
                open_refuse(open, reached->refusal);
        } else
                open_advance(open);
}

bool open_make_lease(Open *open) {
        const LeaseTerms terms = {
                .definition = open_definition(open),
                .name = &open->name,
                .access = open->access,
                .identity = open->identity,
                .user_name = open->wants_identity ? open->user_name : NULL,
                .action = open->question.action,
                .how = open_how(open),
                .by_password = open->prompting || open->temporary,
                .until = open->observed ? open_definition(open)->observe_until : 0,
                .hold = open->hold,
                .generation = open->generation,
        };
        Refusal refusal;
        int r;

        if (open->mode == LEASE_MODE_NONE)
                return true;
        if (leases_are_all_taken(open, &refusal)) {
                open_refuse(open, &refusal);
                return false;
        }

        session_look_up(open->session);
        r = lease_new(open->session, &terms, &open->place, &open->lease);
        if (r == 0 && open->link >= 0)
                r = lease_add_link_consume_fd(open->lease, TAKE_FD(open->link), &open->holding);
        else if (r == 0 && open->fd >= 0)
                r = lease_add_fd(open->lease, open->fd, &open->holding);
        if (r < 0)
                open_fail(open, r);
        return r == 0;
}

/* The place of a lease, of the user's and of all: 0, more than 0 and the refusal, -errno. What is
 * granted to an identity is that user's. */
static int open_take_place(Open *open, Refusal *ret_refusal) {
        Broker *broker = open->session->broker;
        _cleanup_(user_unrefp) User *user = NULL;
        int r;

        if (open->mode == LEASE_MODE_NONE)
                return 0;
        if (leases_are_all_taken(open, ret_refusal))
                return USER_E_QUOTA;

        r = broker_ref_user(broker, open->identity, &user);
        if (r == 0)
                r = user_charge(user, USER_LEASES, broker->settings->leases_per_user, &open->place);
        if (r == USER_E_QUOTA)
                refusal_init_limit(ret_refusal, "LeasesPerUser", 0);
        if (r == 0 && open->mode == LEASE_MODE_REVOCABLE && !open->hold)
                r = admission_take_holding(broker, user, open->means == MEANS_FILTER,
                                           &open->holding, ret_refusal);
        return r;
}

static void open_call_opener(Open *open) {
        Refusal refusal;

        if (!reach_begin(open->session, &open->name, open->definition, open->access, on_reached,
                         open, &open->reach, &refusal)) {
                refusal.action = open->question.action;
                open_refuse(open, &refusal);
        }
}

bool open_reach(Open *open) {
        Refusal refusal;
        int r;

        r = open_take_place(open, &refusal);
        if (r == 0 && !open->hold)
                r = admission_check_delivery(open->session, &refusal);
        if (r == 0 && open->hold)
                return true;

        if (r == 0)
                open_call_opener(open);
        else if (r > 0)
                open_refuse(open, &refusal);
        else
                open_fail(open, r);

        return false;
}
