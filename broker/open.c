/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/open.h"
#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/lease.h"
#include "broker/question.h"
#include "broker/session.h"

/* The longest time-out that a client can ask for. */
#define OPEN_TIMEOUT_MAX_MS (3600 * INT64_C(1000))

/* How many prompts one user can be shown at a time. */
#define OPEN_PROMPTS_PER_USER 1

/* In the order of the interface. */
enum {
        OPEN_ENDPOINT,
        OPEN_ACCESS,
        OPEN_USER,
        OPEN_INTERACTIVE,
        OPEN_LEASE,
        OPEN_HOLD,
        OPEN_DETACHED,
        OPEN_TIMEOUT,
};

typedef struct Open {
        Operation operation;
        Session *session;
        Name name;
        Access access;
        LeaseMode mode;
        char definition[DEFINITION_HASH_SIZE];
        bool may_prompt;
        bool prompting; /* the answer that is waited for may be to a prompt */
        bool recorded;
        bool opener_renewed;
        uint64_t start_time;
        Question question;
        UserCharge prompt;
        UserCharge place; /* the lease's */

        /* What is waited for; at most one of them. */
        bool waits_for_actions;
        CheckRequest *check;
        OpenerCall *opener;
        RecordWaiter *record;

        int fd;       /* what the opener gave */
        Lease *lease; /* made, not yet handed over */
} Open;

static void open_ask(Open *open);
static void open_grant(Open *open);

static Open *open_free(Open *open) {
        Broker *broker = open->session->broker;
        Refusal refusal;

        if (open->waits_for_actions)
                authority_forget(broker->authority, open);
        check_request_cancel(open->check);
        opener_call_cancel(open->opener);
        record_waiter_cancel(open->record);

        if (!open->recorded) {
                refusal_init(&refusal, REFUSAL_ABANDONED);
                (void)name_to_string(&open->name, refusal.endpoint);
                refusal.access = open->access;
                refusal_set_cause(&refusal, "the client went away before it was decided");
                session_record_refusal(open->session, &refusal);
        }

        close_fd(open->fd);
        lease_free(open->lease);
        user_charge_deinit(&open->place);
        user_charge_deinit(&open->prompt);
        free(open);
        return NULL;
}

static void operation_free(Operation *operation) {
        open_free((Open *)operation);
}

/* Ends it; open is gone after this. */
static void open_refuse(Open *open, Refusal *refusal) {
        (void)name_to_string(&open->name, refusal->endpoint);
        refusal->access = open->access;
        open->recorded = true;
        session_refuse_recorded(open->session, refusal);
}

static void operation_expire(Operation *operation) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_TIMED_OUT);
        refusal_set_cause(&refusal, "the client's own time-out passed");
        refusal_set_hint(&refusal, "Try again, with more time.");
        open_refuse((Open *)operation, &refusal);
}

/* For want of memory, or of something as basic. */
static void open_fail(Open *open, int error) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal.error_number = -error;
        refusal_set_cause(&refusal, "the broker failed: %s", strerror(-error));
        refusal_set_hint(&refusal, "Try again later.");
        open_refuse(open, &refusal);
}

/* The definition that it began with, or NULL if that is not the one any more. */
static const Definition *open_definition(const Open *open) {
        const Definition *definition =
                catalogue_find(open->session->broker->catalogue, &open->name);

        return definition && streq(definition->hash, open->definition) ? definition : NULL;
}

/* Whether to go on. If not, it has been refused, and open is gone. */
static bool open_continues(Open *open) {
        Refusal refusal;

        if (!peer_is_alive(&open->session->peer)) {
                refusal_init(&refusal, ERROR_POLICY_UNAVAILABLE);
                refusal_set_cause(&refusal, "the client's process has ended");
        } else if (!open_definition(open)) {
                refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
                refusal_set_cause(&refusal, "the definition was changed meanwhile");
                refusal_set_hint(&refusal, "Try again.");
        } else
                return true;

        open_refuse(open, &refusal);
        return false;
}

/* The reply. */

static json_t *granted_to_json(const Open *open, const Lease *lease) {
        json_t *reply =
                json_pack("{s:s, s:i, s:s, s:s}", "state", "granted", "connection", 0, "access",
                          access_to_wire(open->access), "mode", lease_mode_to_wire(open->mode));

        if (lease && reply) {
                (void)json_object_set_new(reply, "lease", json_string(lease->id));
                (void)json_object_set_new(reply, "kept", json_false());
                if (lease->expires > 0)
                        (void)json_object_set_new(reply, "expires",
                                                  json_integer((json_int_t)lease->expires));
        }

        return reply;
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

        reply = granted_to_json(open, lease);
        fd = TAKE_FD(open->fd);
        open->lease = NULL;

        /* From here on it is a grant, whose end has a record of its own. */
        open->recorded = true;
        if (lease)
                session_set_lease(session, lease);
        session_reply_consume(session, reply, fd, lease != NULL);

        /* The definition can have been changed while the record was waited for. */
        if (session->lease && !lease_is_current(session->lease))
                lease_end(session->lease, END_DEFINITION);
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

static void open_record(Open *open) {
        Broker *broker = open->session->broker;
        char endpoint[NAME_TEXT_SIZE];
        RecordFields fields;
        JournalEntry entry;
        int r;

        session_get_record_fields(open->session, &fields);
        fields.endpoint = name_to_string(&open->name, endpoint);
        fields.access = open->access;
        fields.decision = DECISION_AUTHORIZED;
        fields.how = open->prompting ? "challenged" : "implicit";
        fields.action = open->question.action;
        fields.connect_as = open->question.connect_as;
        fields.mode = open->mode;
        fields.lease = open->lease ? open->lease->id : NULL;
        record_format_grant(&entry, &fields);

        if (!broker->settings->audit_required) {
                record_put(broker->record, &entry);
                open_grant(open);
                return;
        }

        r = record_put_and_wait(broker->record, &entry, broker->settings->audit_timeout_usec,
                                on_recorded, open, &open->record);
        if (r > 0)
                open_grant(open);
        else if (r < 0)
                on_recorded(r, open);
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

static void open_call_opener(Open *open);

static void on_opened(int error, const OpenerReply *reply, int fd, void *userdata) {
        Open *open = userdata;
        const Definition *definition;
        Refusal refusal;
        int r;

        open->opener = NULL;
        open->fd = fd;

        /* One that still ran with the definition as it was before has opened nothing, and ended.
         * The next one knows the definition as it is, unless systemd was not told of it. */
        if (error == 0 && reply->status == OPENER_STALE && !open->opener_renewed) {
                open->opener_renewed = true;
                if (open_continues(open))
                        open_call_opener(open);
                return;
        }

        if (error != 0 || reply->status != OPENER_OK) {
                if (error != 0)
                        refusal_init_unreachable(&refusal, error, &open->name);
                else
                        refusal_init_opener(&refusal, reply, &open->name);
                refusal.action = open->question.action;
                open_refuse(open, &refusal);
                return;
        }

        if (!open_continues(open))
                return;

        definition = open_definition(open);
        if (open->mode != LEASE_MODE_NONE) {
                if (leases_are_all_taken(open, &refusal)) {
                        open_refuse(open, &refusal);
                        return;
                }
                r = lease_new(open->session, definition, &open->name, open->access, &open->place,
                              open->fd, &open->lease);
                if (r < 0) {
                        open_fail(open, r);
                        return;
                }
        }

        open_record(open);
}

/* The place of a lease, of the user's and of all. */
static bool open_take_place(Open *open, Refusal *ret_refusal) {
        Session *session = open->session;
        const Settings *settings = session->broker->settings;

        if (open->mode == LEASE_MODE_NONE)
                return true;

        if (leases_are_all_taken(open, ret_refusal))
                return false;
        if (user_charge(session->user, USER_LEASES, settings->leases_per_user, &open->place) != 0)
                refusal_init_limit(ret_refusal, "LeasesPerUser", 0);
        else
                return true;

        return false;
}

static void open_call_opener(Open *open) {
        Session *session = open->session;
        Broker *broker = session->broker;
        Refusal refusal;
        int r;

        r = openers_call(broker->openers, &open->name, open->access, session->fd,
                         broker->settings->open_timeout_usec, on_opened, open, &open->opener);
        if (r < 0) {
                refusal_init_unreachable(&refusal, -r, &open->name);
                refusal.action = open->question.action;
                open_refuse(open, &refusal);
        }
}

static void open_reach(Open *open) {
        Refusal refusal;

        if (!open_continues(open))
                return;
        if (open_take_place(open, &refusal))
                open_call_opener(open);
        else
                open_refuse(open, &refusal);
}

/* Policy. */

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Open *open = userdata;
        Refusal refusal;

        open->check = NULL;
        user_charge_deinit(&open->prompt);

        if (question_judge(&open->question, answer, open->prompting, &refusal)) {
                open_reach(open);
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

static void open_ask(Open *open) {
        Session *session = open->session;
        const Settings *settings = session->broker->settings;
        AuthorityQuestion question;
        Refusal refusal;
        uint64_t usec = settings->policy_timeout_usec;
        int r = 0;

        if (open->prompting) {
                usec = settings->interactive_timeout_usec;
                r = user_charge(session->user, USER_PROMPTS, OPEN_PROMPTS_PER_USER, &open->prompt);
        }
        if (r == 0) {
                question_ask(&open->question, &session->peer, open->start_time, open->prompting,
                             &question);
                r = check_queue_submit(session->broker->checks, &question, usec, on_answer, open,
                                       &open->check);
        }
        if (r == 0) {
                /* polkit has something to do, and now there is time. */
                session_look_up(session);
                return;
        }

        if (r == USER_E_QUOTA || r == -EBUSY) {
                refusal_init_limit(&refusal, "prompts", 0);
                refusal_set_hint(&refusal, "You are being asked for a password already: answer "
                                           "that first.");
                open_refuse(open, &refusal);
        } else
                open_fail(open, r);
}

static void on_actions(int error, void *userdata);

/* Finds the action, then asks. */
static void open_judge(Open *open) {
        Broker *broker = open->session->broker;
        Refusal refusal;
        int r;

        if (!open_continues(open))
                return;

        r = question_init(&open->question, broker->authority, open_definition(open), &open->name,
                          open->access, &refusal);
        if (r == 0)
                open_ask(open);
        else if (r == QUESTION_E_REFUSED)
                open_refuse(open, &refusal);
        else {
                if (r == QUESTION_E_UNKNOWN_ACTIONS)
                        r = authority_load_actions(broker->authority,
                                                   broker->settings->policy_timeout_usec,
                                                   on_actions, open);
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
                open_judge(open);
                return;
        }

        refusal_init(&refusal, ERROR_POLICY_UNAVAILABLE);
        refusal_set_cause(&refusal, "polkit does not tell which actions there are");
        refusal_set_hint(&refusal, "polkit is not there: 'systemctl status polkit' says why. "
                                   "Nothing is granted without it.");
        open_refuse(open, &refusal);
}

/* The beginning. */

/* What this version does not do, and what does not go together; true if it was answered. */
static bool refuse_parameters(Session *session, const FieldValue *values) {
        Refusal refusal;

        if (values[OPEN_TIMEOUT].present && (values[OPEN_TIMEOUT].integer <= 0 ||
                                             values[OPEN_TIMEOUT].integer > OPEN_TIMEOUT_MAX_MS))
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "timeout");
        else if (values[OPEN_HOLD].boolean)
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "hold");
        else if (values[OPEN_LEASE].present) {
                refusal_init(&refusal, ERROR_LEASE_NOT_FOUND);
                refusal.lease = values[OPEN_LEASE].string;
                session_refuse(session, &refusal);
        } else if (!session->call.more && !values[OPEN_DETACHED].boolean)
                session_refuse_service(session, ERROR_EXPECTED_MORE, NULL);
        else
                return false;

        return true;
}

/* What may be checked at once, before anything is waited for. */
static int admit(Session *session, const FieldValue *values, Open *open, Refusal *ret_refusal) {
        const Definition *definition;
        int r;

        open->access = (Access)values[OPEN_ACCESS].access;

        r = admission_take_token(session, ret_refusal);
        if (r == 0)
                r = admission_find(session->broker, values[OPEN_ENDPOINT].string, &open->name,
                                   &definition, ret_refusal);
        if (r != 0)
                return r;

        r = admission_check_access(definition, &open->name, open->access, ret_refusal);
        if (r == 0)
                r = admission_check_peer(session, open->access, &open->start_time, ret_refusal);
        if (r != 0) {
                (void)name_to_string(&open->name, ret_refusal->endpoint);
                return r;
        }

        if (values[OPEN_USER].present) {
                refusal_init(ret_refusal, ERROR_AUTHENTICATION_UNAVAILABLE);
                (void)name_to_string(&open->name, ret_refusal->endpoint);
                refusal_set_cause(ret_refusal, "this broker cannot authenticate another identity");
                refusal_set_hint(ret_refusal, "Log in as that user, and ask as yourself.");
                return ADMISSION_E_REFUSED;
        }

        open->mode = definition->targets[open->access].mode;
        memcpy(open->definition, definition->hash, sizeof(open->definition));

        if (values[OPEN_DETACHED].boolean && open->mode != LEASE_MODE_NONE) {
                refusal_init(ret_refusal, ERROR_ACCESS_UNSUPPORTED);
                (void)name_to_string(&open->name, ret_refusal->endpoint);
                refusal_set_cause(ret_refusal, "detached, and the lease is %s",
                                  lease_mode_to_string(open->mode));
                refusal_set_hint(ret_refusal,
                                 "%s is given for as long as the caller stays connected; only a "
                                 "definition with Lease=none gives it for good.",
                                 definition->name);
                return ADMISSION_E_REFUSED;
        }

        return 0;
}

void open_endpoint(Session *session, const FieldValue *values) {
        Open *open;
        Refusal refusal;
        int r;

        if (refuse_parameters(session, values))
                return;

        open = calloc(1, sizeof(*open));
        if (!open) {
                session_close(session);
                return;
        }

        r = admit(session, values, open, &refusal);
        if (r != 0) {
                refusal.access = open->access;
                free(open);
                session_refuse_recorded(session, &refusal);
                return;
        }

        open->operation = (Operation){.free = operation_free, .expire = operation_expire};
        open->session = session;
        open->fd = -EBADF;
        open->may_prompt = values[OPEN_INTERACTIVE].boolean;
        session_set_operation(session, &open->operation);

        r = 0;
        if (values[OPEN_TIMEOUT].present)
                r = session_set_timeout(session, (uint64_t)values[OPEN_TIMEOUT].integer * 1000);
        if (r < 0)
                open_fail(open, r);
        else
                open_judge(open);
}
