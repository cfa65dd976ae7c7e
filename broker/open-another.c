/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/open-another.h"
#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/lease.h"
#include "broker/open.h"
#include "broker/reach.h"
#include "common/jsontext.h"

typedef struct Another {
        Operation operation;
        Session *session;
        char lease[RECORD_LEASE_SIZE]; /* it can end while we wait */
        LeaseHolding holding;
        Reach *reach;
} Another;

static void another_free(Another *another) {
        reach_cancel(another->reach);
        lease_holding_deinit(&another->holding);
        free(another);
}

static void operation_free(Operation *operation) {
        another_free((Another *)operation);
}

/* Refused, and recorded: whoever comes with another's lease is of interest. An open under a lease
 * is no request that counts; one that fails is. */
static void refuse(Session *session, const Lease *lease, Refusal *refusal) {
        Refusal limit;

        if (admission_take_token(session, &limit) != 0) {
                session_refuse_recorded(session, &limit);
                return;
        }

        if (lease) {
                (void)name_to_string(&lease->name, refusal->endpoint);
                refusal->access = lease->access;
                refusal->live_lease = lease->id;
        }
        session_refuse_recorded(session, refusal);
}

static void refuse_ended(Session *session, const char *id) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_LEASE_NOT_FOUND);
        refusal.lease = id;
        refusal_set_cause(&refusal, "the lease has ended meanwhile");
        refusal_set_hint(&refusal, "The lease has ended: open the endpoint anew.");
        refuse(session, NULL, &refusal);
}

/* One that there is stands in the record of whoever comes with it. */
static void refuse_lease(Session *session, const FieldValue *values, const Lease *lease,
                         const char *cause, const char *hint) {
        Refusal refusal;
        Name name;

        refusal_init(&refusal, ERROR_LEASE_NOT_FOUND);
        refusal.lease = values[OPEN_PARAMETER_LEASE].string;
        refusal.live_lease = lease ? lease->id : NULL;
        refusal.access = (Access)values[OPEN_PARAMETER_ACCESS].access;
        if (name_parse(values[OPEN_PARAMETER_ENDPOINT].string, &name) == 0)
                (void)name_to_string(&name, refusal.endpoint);
        refusal_set_cause(&refusal, "%s", cause);
        refusal_set_hint(&refusal, "%s", hint);
        refuse(session, NULL, &refusal);
}

/* To the caller all of these are the same: there is no such lease of theirs. */
static const char *find_fault(const Session *session, const Lease *lease) {
        if (!lease)
                return "no such lease";
        if (lease->session->process != session->process)
                return "a lease of another process";
        if (lease->uid != session->peer.uid)
                return "a lease of another user";
        return NULL;
}

static void expire(Operation *operation) {
        Another *another = (Another *)operation;
        Refusal refusal;

        refusal_init(&refusal, ERROR_TIMED_OUT);
        refusal_set_cause(&refusal, "the client's own time-out passed");
        refusal_set_hint(&refusal, "Try again, with more time.");
        refuse(another->session, broker_find_lease(another->session->broker, another->lease),
               &refusal);
}

static void fail(Session *session, const Lease *lease, int error) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal.error_number = -error;
        refusal_set_cause(&refusal, "the broker failed: %s", strerror(-error));
        refusal_set_hint(&refusal, "Try again later.");
        refuse(session, lease, &refusal);
}

static json_t *granted_to_json(const Lease *lease) {
        const JsonMember members[] = {
                {"state", "granted"},
                {"access", access_to_wire(lease->access)},
                {"mode", lease_mode_to_wire(lease->mode)},
                {"lease", lease->id},
        };

        return jsontext_add(jsontext_new_object(members, ELEMENTSOF(members)), "connection",
                            json_integer(0));
}

/* Hands it over, if the lease is still there. */
static void hand_over_consume_fd(Another *another, int fd, int link_fd) {
        _cleanup_close_ int owned = fd, link = link_fd;
        Session *session = another->session;
        Lease *lease = broker_find_lease(session->broker, another->lease);
        json_t *reply;
        int r;

        if (!lease || !peer_is_alive(&session->peer)) {
                refuse_ended(session, another->lease);
                return;
        }

        r = link >= 0 ? lease_add_link_consume_fd(lease, TAKE_FD(link), &another->holding)
                      : lease_add_fd(lease, fd, &another->holding);
        if (r < 0) {
                fail(session, lease, r);
                return;
        }

        reply = granted_to_json(lease);
        session_expect_delivery(session);
        session_reply_consume(session, reply, TAKE_FD(owned), false);
}

static void on_reached(Reached *reached, void *userdata) {
        Another *another = userdata;
        Session *session = another->session;
        const Lease *lease = broker_find_lease(session->broker, another->lease);

        another->reach = NULL;
        if (lease && reached->refusal)
                refuse(session, lease, reached->refusal);
        else
                hand_over_consume_fd(another, reached->fd, reached->link);
}

static int take_places(Another *another, Lease *lease, Refusal *ret_refusal) {
        Broker *broker = another->session->broker;
        int r;

        /* Of a tracked one nothing is held, and nobody knows what has been closed again. */
        if (lease->mode == LEASE_MODE_REVOCABLE &&
            lease->n_fds >= broker->settings->descriptors_per_lease) {
                refusal_init_limit(ret_refusal, "DescriptorsPerLease", 0);
                return USER_E_QUOTA;
        }

        r = admission_check_delivery(another->session, ret_refusal);
        if (r == 0 && lease->mode == LEASE_MODE_REVOCABLE)
                r = admission_take_holding(broker, lease->charge.user, lease->filtered,
                                           &another->holding, ret_refusal);
        return r;
}

static void another_begin(Another *another, Lease *lease) {
        Session *session = another->session;
        Refusal refusal;

        if (take_places(another, lease, &refusal) != 0 ||
            !reach_begin(session, &lease->name, lease->definition, lease->access, on_reached,
                         another, &another->reach, &refusal))
                refuse(session, lease, &refusal);
}

/* What does not go with a lease that is there; NULL if all does. */
static const char *find_bad_parameter(const Session *session, const FieldValue *values) {
        if (values[OPEN_PARAMETER_USER].present)
                return "user";
        if (values[OPEN_PARAMETER_HOLD].boolean)
                return "hold";
        if (values[OPEN_PARAMETER_DETACHED].boolean)
                return "detached";
        if (!open_timeout_is_valid(&values[OPEN_PARAMETER_TIMEOUT]))
                return "timeout";
        return session->call.more ? "lease" : NULL;
}

/* Whether the lease is the caller's, and of what is asked for; else it was answered. */
static bool check_lease(Session *session, const FieldValue *values, const Lease *lease) {
        const char *fault = find_fault(session, lease);
        char name[NAME_TEXT_SIZE];

        if (!fault &&
            streq(name_to_string(&lease->name, name), values[OPEN_PARAMETER_ENDPOINT].string) &&
            lease->access == (Access)values[OPEN_PARAMETER_ACCESS].access)
                return true;

        if (fault)
                refuse_lease(session, values, lease, fault,
                             "This process has no such lease: it has ended, or it was another's.");
        else
                refuse_lease(session, values, lease, "a lease of something else",
                             "This lease is of another endpoint, or of another access to it.");
        return false;
}

void open_another(Session *session, const FieldValue *values) {
        const char *id = values[OPEN_PARAMETER_LEASE].string;
        const char *bad = find_bad_parameter(session, values);
        Lease *lease = broker_find_lease(session->broker, id);
        Another *another;
        int r = 0;

        if (bad) {
                session_refuse_service(session, ERROR_INVALID_PARAMETER, bad);
                return;
        }
        if (!check_lease(session, values, lease))
                return;

        another = calloc(1, sizeof(*another));
        if (!another) {
                session_close(session);
                return;
        }

        another->operation = (Operation){.free = operation_free, .expire = expire};
        another->session = session;
        (void)copy_text(another->lease, sizeof(another->lease), id);
        session_set_operation(session, &another->operation);

        if (values[OPEN_PARAMETER_TIMEOUT].present)
                r = session_set_timeout(session,
                                        (uint64_t)values[OPEN_PARAMETER_TIMEOUT].integer * 1000);
        if (r < 0)
                fail(session, lease, r);
        else
                another_begin(another, lease);
}
