/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/open-another.h"
#include "broker/open-internal.h"
#include "broker/open.h"

/* The longest time-out that a client can ask for. */
#define OPEN_TIMEOUT_MAX_MS (3600 * INT64_C(1000))

/* Whom the caller wanted to be, for the record; if it is a name that can stand there. */
static const char *open_asked(const Open *open) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789._-";
        const char *name = open->user_name;

        return open->wants_identity && !name[strspn(name, alphabet)] ? name : NULL;
}

static Open *open_free(Open *open) {
        Broker *broker = open->session->broker;
        Refusal refusal;
        bool begun;

        if (open->waits_for_actions)
                authority_forget(broker->authority, open);
        check_request_cancel(open->check);
        begun = open->conversation && conversation_has_begun(open->conversation);
        if (begun)
                admission_count_failure(open->session);
        conversation_cancel(open->conversation, &open->prompt);
        reach_cancel(open->reach);
        record_waiter_cancel(open->record);

        if (!open->recorded) {
                refusal_init(&refusal, REFUSAL_ABANDONED);
                (void)name_to_string(&open->name, refusal.endpoint);
                refusal.access = open->access;
                refusal.asked = open_asked(open);
                refusal_set_cause(&refusal, "the client went away before it was decided%s",
                                  begun ? ", in a conversation with PAM" : "");
                session_record_refusal(open->session, &refusal);
        }

        question_deinit(&open->question);
        close_fd(open->fd);
        close_fd(open->link);
        lease_free(open->lease);
        user_charge_deinit(&open->place);
        lease_holding_deinit(&open->holding);
        user_charge_deinit(&open->by_polkit);
        user_charge_deinit(&open->prompt);
        free(open);
        return NULL;
}

static void operation_free(Operation *operation) {
        open_free((Open *)operation);
}

void open_refuse(Open *open, Refusal *refusal) {
        (void)name_to_string(&open->name, refusal->endpoint);
        refusal->access = open->access;
        refusal->identity = open->identity;
        refusal->asked = open_asked(open);
        open->recorded = true;
        session_refuse_recorded(open->session, refusal);
}

void open_fail(Open *open, int error) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal.error_number = -error;
        refusal_set_cause(&refusal, "the broker failed: %s", strerror(-error));
        refusal_set_hint(&refusal, "Try again later.");
        open_refuse(open, &refusal);
}

static void operation_expire(Operation *operation) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_TIMED_OUT);
        refusal_set_cause(&refusal, "the client's own time-out passed");
        refusal_set_hint(&refusal, "Try again, with more time.");
        open_refuse((Open *)operation, &refusal);
}

const Definition *open_definition(const Open *open) {
        const Definition *definition =
                catalogue_find(open->session->broker->catalogue, &open->name);

        return definition && streq(definition->hash, open->definition) ? definition : NULL;
}

bool open_continues(Open *open) {
        Broker *broker = open->session->broker;
        Refusal refusal;

        if (!peer_is_alive(&open->session->peer)) {
                refusal_init(&refusal, ERROR_POLICY_UNAVAILABLE);
                refusal_set_cause(&refusal, "the client's process has ended");
        } else if (!open_definition(open)) {
                refusal_init(&refusal, ERROR_ENDPOINT_UNAVAILABLE);
                refusal_set_cause(&refusal, "the definition was changed meanwhile");
                refusal_set_hint(&refusal, "Try again.");
        } else if (admission_check_block(broker, open->session->peer.uid, &open->name, &refusal) ==
                           0 &&
                   admission_check_block(broker, open->identity, &open->name, &refusal) == 0)
                return true;

        open_refuse(open, &refusal);
        return false;
}

bool open_take_prompt(Open *open, bool by_pam) {
        Refusal refusal;

        if (admission_take_prompt(open->session, USER_PROMPTS, by_pam, &open->prompt, &refusal) ==
            0)
                return true;

        open_refuse(open, &refusal);
        return false;
}

static void open_step(Open *open) {
        static bool (*const steps[_OPEN_STEP_MAX])(Open * open) = {
                [OPEN_IDENTITY] = open_identify,     [OPEN_POLICY] = open_judge,
                [OPEN_ACCOUNT] = open_check_account, [OPEN_STEP_UP] = open_step_up,
                [OPEN_OPENER] = open_reach,          [OPEN_LEASE] = open_make_lease,
                [OPEN_RECORD] = open_record,
        };

        static const char *const names[_OPEN_STEP_MAX] = {
                [OPEN_IDENTITY] = "identity", [OPEN_POLICY] = "policy", [OPEN_ACCOUNT] = "account",
                [OPEN_STEP_UP] = "step-up",   [OPEN_OPENER] = "opener", [OPEN_LEASE] = "lease",
                [OPEN_RECORD] = "record",
        };

        do {
                open->step++;
                session_trace(open->session, "Step: %s", names[open->step]);
        } while (steps[open->step](open));
}

void open_advance(Open *open) {
        if (open_continues(open))
                open_step(open);
}

/* The beginning. */

/* A name that somebody could have; who it is finds out the helper. */
static bool is_user_name(const char *text) {
        if (strlen(text) > PAM_PROTOCOL_USER_MAX)
                return false;
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f)
                        return false;
        return true;
}

bool open_timeout_is_valid(const FieldValue *timeout) {
        return !timeout->present ||
               (timeout->integer > 0 && timeout->integer <= OPEN_TIMEOUT_MAX_MS);
}

/* What cannot be, and what does not go together; true if it was answered. */
static bool refuse_parameters(Session *session, const FieldValue *values) {
        if (!open_timeout_is_valid(&values[OPEN_PARAMETER_TIMEOUT]))
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "timeout");
        else if (values[OPEN_PARAMETER_USER].present &&
                 !is_user_name(values[OPEN_PARAMETER_USER].string))
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "user");
        else if (values[OPEN_PARAMETER_HOLD].boolean && values[OPEN_PARAMETER_DETACHED].boolean)
                session_refuse_service(session, ERROR_INVALID_PARAMETER, "hold");
        else if (!session->call.more && !values[OPEN_PARAMETER_DETACHED].boolean)
                session_refuse_service(session, ERROR_EXPECTED_MORE, NULL);
        else
                return false;

        return true;
}

/* Of what has no lease, none can be held. */
static int check_mode(const Open *open, const Definition *definition, bool detached,
                      Refusal *ret_refusal) {
        const char *wanted = detached ? "detached" : "to be held";

        if (detached == (open->mode == LEASE_MODE_NONE) || (!detached && !open->hold))
                return 0;

        refusal_init(ret_refusal, ERROR_ACCESS_UNSUPPORTED);
        (void)name_to_string(&open->name, ret_refusal->endpoint);
        refusal_set_cause(ret_refusal, "%s, and the lease is %s", wanted,
                          lease_mode_to_string(open->mode));
        if (detached)
                refusal_set_hint(ret_refusal,
                                 "%s is given for as long as the caller stays connected; only a "
                                 "definition with Lease=none gives it for good.",
                                 definition->name);
        else
                refusal_set_hint(ret_refusal,
                                 "%s is given for good each time, so that there is nothing to "
                                 "hold: open it when it is needed.",
                                 definition->name);
        return ADMISSION_E_REFUSED;
}

/* What may be checked at once, before anything is waited for. */
static int admit(Session *session, const FieldValue *values, Open *open, Refusal *ret_refusal) {
        const Definition *definition;
        int r;

        open->access = (Access)values[OPEN_PARAMETER_ACCESS].access;
        open->hold = values[OPEN_PARAMETER_HOLD].boolean;

        r = admission_take_token(session, ret_refusal);
        if (r == 0)
                r = admission_find(session->broker, values[OPEN_PARAMETER_ENDPOINT].string,
                                   &open->name, &definition, ret_refusal);
        if (r != 0)
                return r;

        r = admission_check_access(definition, &open->name, open->access, ret_refusal);
        if (r == 0)
                r = admission_check_client(definition, &open->name, open->access, session->peer.uid,
                                           values[OPEN_PARAMETER_USER].present, ret_refusal);
        if (r == 0)
                r = admission_check_block(session->broker, session->peer.uid, &open->name,
                                          ret_refusal);
        if (r == 0)
                r = admission_check_peer(session, open->access, &open->start_time, ret_refusal);
        if (r != 0) {
                (void)name_to_string(&open->name, ret_refusal->endpoint);
                return r;
        }

        open->mode = definition->targets[open->access].mode;
        open->means = definition->targets[open->access].means;
        memcpy(open->definition, definition->hash, sizeof(open->definition));

        return check_mode(open, definition, values[OPEN_PARAMETER_DETACHED].boolean, ret_refusal);
}

void open_endpoint(Session *session, const FieldValue *values) {
        Open *open;
        Refusal refusal;
        int r;

        if (values[OPEN_PARAMETER_LEASE].present) {
                open_another(session, values);
                return;
        }
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
        open->link = -EBADF;
        open->may_prompt = values[OPEN_PARAMETER_INTERACTIVE].boolean;
        open->identity = session->peer.uid;
        if (values[OPEN_PARAMETER_USER].present) {
                open->wants_identity = true;
                (void)copy_text(open->user_name, sizeof(open->user_name),
                                values[OPEN_PARAMETER_USER].string);
        }
        session_set_operation(session, &open->operation);

        r = 0;
        if (values[OPEN_PARAMETER_TIMEOUT].present)
                r = session_set_timeout(session,
                                        (uint64_t)values[OPEN_PARAMETER_TIMEOUT].integer * 1000);
        if (r < 0)
                open_fail(open, r);
        else
                open_step(open); /* it has just been looked at */
}
