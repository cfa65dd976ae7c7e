/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/opening.h"
#include "client/agent.h"
#include "client/channel.h"
#include "client/conversation.h"
#include "client/log.h"
#include "common/jsontext.h"

/* Without an answer for so long, somebody else may be asking a person. */
#define EXTERNAL_DELAY_MS 500
/* After a conversation: PAM takes its time over a wrong password. */
#define EXTERNAL_DELAY_AFTER_MS 4000

typedef enum OpeningState {
        OPENING_PREPARE = 1,
        OPENING_AGENT,
        OPENING_CONNECT,
        OPENING_CALL,
        OPENING_LEAVE,
        OPENING_OVER,
} OpeningState;

struct Opening {
        const OpeningSpec *spec;
        OpeningState state;
        OpeningState next; /* after LEAVE */

        Wire *wire;
        int64_t retry_at;      /* to connect */
        int64_t connect_until; /* at the latest */

        Agent *agent;           /* ours, once it was started */
        bool agent_asks;        /* it had to be, or has been heard of since: nobody else asks */
        bool agent_gone;        /* it has ended, and is kept for what it knows */
        doorward_error refusal; /* why it had to be, while it starts */

        Conversation *conversation; /* the one that goes on, */
        json_t *beginning;          /* and the reply with which it began */
        int64_t external_at;        /* when to tell that somebody else may be asking, */
        bool external_told;         /* once */

        int result; /* 0 or -errno, and the error or what was granted */
        doorward_error error;
        OpeningGrant grant;
};

void opening_grant_deinit(OpeningGrant *grant) {
        grant->wire = wire_free(grant->wire);
        wire_reply_deinit(&grant->reply);
}

int opening_reply_read(const WireReply *reply, OpeningReply *ret) {
        OpeningReply read = {};
        const WireField fields[] = {
                {"state", WIRE_STRING, false, &read.state},
                {"reason", WIRE_STRING, true, &read.reason},
                {},
        };
        int r;

        r = wire_read(reply->parameters, fields);
        if (r == 0)
                r = grant_terms_read(reply->parameters, &read.terms);
        if (r == 0 && !read.terms.request_id)
                r = -EBADMSG;
        if (r == 0)
                *ret = read;
        return r;
}

static int fail_protocol(const Opening *opening, doorward_error *error, const char *what) {
        return wire_error_protocol(error, "The broker at %s %s.", wire_get_path(opening->wire),
                                   what);
}

/* The call. */

/* Of another broker the URI says where it is. */
static const char *opening_broker_path(const Opening *opening) {
        const Uri *uri = opening->spec->uri;

        return uri->transport == URI_UNIX ? uri->socket : channel_broker_path();
}

json_t *opening_parameters(const Uri *uri) {
        const JsonMember members[] = {
                {"endpoint", uri->endpoint},
                {"access", access_to_wire((Access)uri->access)},
        };

        return jsontext_new_object(members, ELEMENTSOF(members));
}

static json_t *call_parameters(const OpeningSpec *spec) {
        const Uri *uri = spec->uri;
        json_t *parameters = opening_parameters(uri);

        if (uri->has_user)
                parameters = jsontext_add(parameters, "user", json_string(uri->user));
        if (spec->auth)
                parameters =
                        jsontext_add(parameters, "allowInteractiveAuthentication", json_true());
        if (spec->detached)
                parameters = jsontext_add(parameters, "detached", json_true());
        if (spec->hold)
                parameters = jsontext_add(parameters, "hold", json_true());
        return parameters;
}

/* Each time on a wire of its own: one that is silent while an agent starts is cut. */
static int opening_call(Opening *opening, doorward_error *error) {
        opening->external_at = channel_deadline(EXTERNAL_DELAY_MS);
        opening->state = OPENING_CALL;
        return wire_call_more(opening->wire, METHOD_OPEN, call_parameters(opening->spec), 0, error);
}

/* Steps, each of which is done in its state. 1: there is more to be done; 0: something is to be
 * waited for; -errno and the error. */

static int opening_prepare_connect(Opening *opening, doorward_error *error) {
        int r;

        r = wire_new(opening_broker_path(opening), &opening->wire, error);
        if (r < 0)
                return r;

        opening->connect_until = channel_deadline(WIRE_TIMEOUT_MS);
        if (opening->spec->deadline < opening->connect_until)
                opening->connect_until = opening->spec->deadline;
        return 0;
}

static int opening_connect(Opening *opening, doorward_error *error) {
        int r = 0;

        if (!opening->wire)
                r = opening_prepare_connect(opening, error);
        else if (channel_deadline_left(opening->retry_at) > 0)
                return 0;
        if (r < 0)
                return r;

        r = wire_connect(opening->wire, error);
        if (r == -EAGAIN && channel_deadline_left(opening->connect_until) == 0)
                return wire_fail_full(opening->wire, error);
        if (r == -EAGAIN) {
                opening->retry_at = channel_deadline(CHANNEL_RETRY_MS);
                return 0;
        }
        /* The answer takes another process: to look for it at once would be in vain. */
        return r == 0 ? opening_call(opening, error) : r;
}

/* Our agent. */

static int start_agent(Opening *opening, doorward_error *error) {
        int r;

        r = auth_check(opening->spec->auth, error);
        return r < 0 ? r
                     : agent_start(opening_broker_path(opening), opening->spec->auth,
                                   opening->spec->deadline, &opening->agent, error);
}

/* What is still asked by then, nobody wants to know any more. */
static void opening_leave(Opening *opening, OpeningState next) {
        opening->conversation = conversation_free(opening->conversation);
        opening->state = next;
        if (!opening->agent)
                return;

        agent_end(opening->agent);
        opening->state = OPENING_LEAVE;
        opening->next = next;
}

/* There is none, for that reason. If it was started for want of one, that is the error; else it is
 * said only if one turns out to be needed. */
static int opening_lacks_agent(Opening *opening, int r, doorward_error *why,
                               doorward_error *error) {
        log_info(LOG_CATEGORY_AGENT, "There is no agent: %s", why->message);
        if (opening->refusal.code != DOORWARD_ERR_OK) {
                error_replace(error, &opening->refusal);
                error_replace(error, why);
                return -EREMOTEIO;
        }
        if (r == -ENOMEM)
                return error_no_memory(error);

        opening_leave(opening, OPENING_CONNECT);
        return 1;
}

/* Whoever proves to be somebody else is not to do so again because polkit has nobody to ask: a call
 * that names a user has its agent from the first. */
static int opening_prepare(Opening *opening, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int r;

        opening->state = OPENING_CONNECT;
        if (!opening->spec->uri->has_user || !opening->spec->auth)
                return 1;

        opening->state = OPENING_AGENT;
        r = start_agent(opening, &why);
        return r < 0 ? opening_lacks_agent(opening, r, &why, error) : 1;
}

static int opening_await_agent(Opening *opening, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int r;

        r = agent_process(opening->agent, &why);
        if (r == 0)
                return 0;
        if (r != AGENT_E_READY)
                return opening_lacks_agent(opening, r, &why, error);

        opening->agent_asks = opening->refusal.code != DOORWARD_ERR_OK;
        doorward_error_clear(&opening->refusal);
        opening->state = OPENING_CONNECT;
        return 1;
}

static int opening_await_agent_end(Opening *opening) {
        _cleanup_error_ doorward_error error = {};

        if (agent_process(opening->agent, &error) == 0)
                return 0;

        opening->agent = agent_free(opening->agent);
        opening->state = opening->next;
        return 1;
}

/* What fails is the end: nothing will come of it any more. Whether the broker's answer needs an
 * agent that has ended, only that shows. 0 or -errno. */
static int hear_agent(Opening *opening, doorward_error *error) {
        int r;

        r = agent_process(opening->agent, error);
        if (r == AGENT_E_HEARD)
                opening->agent_asks = true;
        if (r == AGENT_E_GONE)
                opening->agent_gone = true;

        return r < 0 ? r : 0;
}

/* Somebody else. */

static bool external_is_to_be_told(const Opening *opening) {
        return !opening->agent_asks && !opening->external_told && !opening->conversation &&
               opening->external_at < opening->spec->deadline &&
               auth_takes(opening->spec->auth, DOORWARD_CRED_EXTERNAL);
}

static int tell_external(Opening *opening, doorward_error *error) {
        opening->external_told = true;
        log_info(LOG_CATEGORY_AUTH, "Somebody else may be asking: the program is told");
        return auth_tell_external(opening->spec->auth,
                                  "Somebody else may be asking for a password now: an "
                                  "authentication agent of the desktop, say.",
                                  error);
}

/* Replies. */

static int begin_conversation(Opening *opening, WireReply *reply, doorward_error *error) {
        const OpeningSpec *spec = opening->spec;

        if (!spec->auth || !reply->continues || reply->conversation < 0 || reply->connection >= 0)
                return fail_protocol(opening, error, "began a conversation out of turn");

        log_info(LOG_CATEGORY_CONVERSATION, "PAM has something to ask for %s", spec->uri->endpoint);
        json_decref(opening->beginning);
        opening->beginning = json_incref(reply->parameters);
        opening->conversation = conversation_free(opening->conversation);
        return conversation_new_consume_fd(TAKE_FD(reply->conversation), CONVERSATION_OF_ROOT,
                                           spec->auth, NULL, spec->deadline, &opening->conversation,
                                           error);
}

/* 0 or -errno. */
static int opening_converse(Opening *opening, doorward_error *error) {
        int r;

        r = conversation_process(opening->conversation, error);
        if (r == CONVERSATION_E_WAIT)
                return 0;

        opening->conversation = conversation_free(opening->conversation);
        opening->external_at = channel_deadline(EXTERNAL_DELAY_AFTER_MS);
        return r;
}

static int fail_ended(const Opening *opening, const OpeningReply *read, doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED,
                  "Access to %s ended before it began: %s.", opening->spec->uri->endpoint,
                  read->reason ?: "no reason given");
        error_set_hint(error, "Try again, if it was not taken back on purpose.");
        error_set_request(error, read->terms.request_id);
        return -EREMOTEIO;
}

static int opening_take(Opening *opening, WireReply *reply, doorward_error *error) {
        OpeningReply read;
        int r;

        if (opening_reply_read(reply, &read) < 0)
                return fail_protocol(opening, error, "sent a reply that cannot be read");
        if (streq(read.state, "granted") && reply->conversation < 0) {
                opening->grant = (OpeningGrant){TAKE_PTR(opening->wire), *reply, read};
                *reply = (WireReply)WIRE_REPLY_NULL;
                opening_leave(opening, OPENING_OVER);
                return 1;
        }
        if (streq(read.state, "conversation")) {
                r = begin_conversation(opening, reply, error);
                if (r < 0)
                        error_set_request(error, read.terms.request_id);
                return r < 0 ? r : 1;
        }
        if (streq(read.state, "ended"))
                return fail_ended(opening, &read, error);

        return fail_protocol(opening, error, "sent a reply that cannot be read");
}

/* Refusals. */

/* The agent's last words may have come with the broker's. That it has ended explains only that
 * nobody was asked. */
static bool ask_agent_why(Opening *opening, int code, doorward_error *ret) {
        if (!opening->agent_gone && !agent_is_conversing(opening->agent) &&
            hear_agent(opening, ret) < 0)
                return true;
        if (opening->agent_gone && code != DOORWARD_ERR_AUTH_NEEDED && code != DOORWARD_ERR_DENIED)
                return false;

        return agent_explain(opening->agent, ret);
}

/* The broker has said no, unless the question can be put again. Of a no of polkit's, to which a
 * failed prompt is a denial, the agent may know better why. */
static int opening_refused(Opening *opening, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int r;

        if (!error_is_denial(error) || !opening->spec->auth)
                return -EREMOTEIO;
        if (opening->agent) {
                if (ask_agent_why(opening, error->code, &why))
                        error_replace(error, &why);
                return -EREMOTEIO;
        }
        if (error->code != DOORWARD_ERR_AUTH_NEEDED)
                return -EREMOTEIO;

        /* polkit would ask, if there were somebody through whom to. */
        opening->wire = wire_free(opening->wire);
        error_replace(&opening->refusal, error);
        opening->state = OPENING_AGENT;
        r = start_agent(opening, &why);
        return r < 0 ? opening_lacks_agent(opening, r, &why, error) : 1;
}

/* The call goes on. */

/* With the broker's answer it is over, whatever else there is; but what was said in a conversation
 * before is heard. */
static int opening_listen(Opening *opening, doorward_error *error) {
        int r = 0;

        if (opening->conversation) {
                r = opening_converse(opening, error);
                if (r < 0)
                        error_set_request(error, json_string_value(json_object_get(
                                                         opening->beginning, "requestId")));
        } else if (opening->agent && !opening->agent_gone && agent_is_conversing(opening->agent))
                r = hear_agent(opening, error);

        return r;
}

/* Nothing was heard of the broker. */
static int opening_pass_time(Opening *opening, doorward_error *error) {
        int r = 0;

        if (opening->agent && !opening->agent_gone && !agent_is_conversing(opening->agent))
                r = hear_agent(opening, error);
        if (r < 0)
                return r;
        if (channel_deadline_left(opening->spec->deadline) == 0)
                return wire_expire(opening->wire, error);
        if (external_is_to_be_told(opening) && channel_deadline_left(opening->external_at) == 0)
                return tell_external(opening, error);

        return 0;
}

static int opening_go_on(Opening *opening, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        int r;

        r = opening_listen(opening, error);
        if (r < 0)
                return r;

        r = wire_next(opening->wire, 0, &reply, error);
        if (r > 0)
                return opening_take(opening, &reply, error);
        if (r == -EAGAIN)
                return opening_pass_time(opening, error);
        if (r == -EREMOTEIO)
                return opening_refused(opening, error);

        return r == 0 ? fail_protocol(opening, error, "ended the call without an answer") : r;
}

/* The call ends first, so that the agent's end does not look like an answer to polkit's. */
static void opening_fail(Opening *opening, int r, doorward_error *error) {
        opening->result = r;
        error_replace(&opening->error, error);
        opening->conversation = conversation_free(opening->conversation);
        opening->wire = wire_free(opening->wire);
        opening_leave(opening, OPENING_OVER);
}

static int opening_step(Opening *opening, doorward_error *error) {
        switch (opening->state) {
        case OPENING_PREPARE:
                return opening_prepare(opening, error);
        case OPENING_AGENT:
                return opening_await_agent(opening, error);
        case OPENING_CONNECT:
                return opening_connect(opening, error);
        case OPENING_CALL:
                return opening_go_on(opening, error);
        case OPENING_LEAVE:
                return opening_await_agent_end(opening);
        case OPENING_OVER:
                break;
        }

        return 0;
}

static void opening_log(const Opening *opening, OpeningState before) {
        static const char *const names[] = {
                [OPENING_PREPARE] = "prepare", [OPENING_AGENT] = "agent",
                [OPENING_CONNECT] = "connect", [OPENING_CALL] = "call",
                [OPENING_LEAVE] = "leave",     [OPENING_OVER] = "over",
        };

        if (opening->state != before)
                log_debug(LOG_CATEGORY_OPENING, "%s: %s, then %s", opening->spec->uri->endpoint,
                          names[before], names[opening->state]);
}

int opening_process(Opening *opening, OpeningGrant *ret, doorward_error *error) {
        int r;

        do {
                _cleanup_error_ doorward_error why = {};
                OpeningState before = opening->state;

                r = opening_step(opening, &why);
                if (r < 0)
                        opening_fail(opening, r, &why);
                opening_log(opening, before);
        } while (r != 0);

        if (opening->state != OPENING_OVER)
                return OPENING_E_WAIT;
        if (opening->result < 0) {
                error_replace(error, &opening->error);
                return opening->result;
        }

        *ret = opening->grant;
        opening->grant = (OpeningGrant)OPENING_GRANT_NULL;
        return 0;
}

void opening_wait(const Opening *opening, Wait *wait) {
        switch (opening->state) {
        case OPENING_PREPARE:
        case OPENING_OVER:
                wait_add_deadline(wait, 0);
                break;
        case OPENING_CONNECT:
                wait_add_deadline(wait, opening->retry_at);
                break;
        case OPENING_CALL:
                wait_add_fd(wait, wire_get_fd(opening->wire), wire_get_events(opening->wire));
                wait_add_deadline(wait, opening->spec->deadline);
                if (external_is_to_be_told(opening))
                        wait_add_deadline(wait, opening->external_at);
                if (opening->conversation)
                        conversation_wait(opening->conversation, wait);
                if (opening->agent && !opening->agent_gone)
                        agent_wait(opening->agent, wait);
                break;
        case OPENING_AGENT:
        case OPENING_LEAVE:
                agent_wait(opening->agent, wait);
                break;
        }
}

const OpeningSpec *opening_get_spec(const Opening *opening) {
        return opening->spec;
}

bool opening_is_asking(const Opening *opening) {
        if (opening->conversation)
                return conversation_is_asking(opening->conversation);

        return opening->agent && agent_is_asking(opening->agent);
}

int opening_answer(Opening *opening, const doorward_credential *cred, doorward_error *error) {
        return opening->conversation ? conversation_answer(opening->conversation, cred, error)
                                     : agent_answer(opening->agent, cred, error);
}

int opening_new(const OpeningSpec *spec, Opening **ret, doorward_error *error) {
        Opening *opening = malloc(sizeof(*opening));

        if (!opening)
                return error_no_memory(error);

        *opening = (Opening){
                .spec = spec,
                .state = OPENING_PREPARE,
                .grant = OPENING_GRANT_NULL,
        };
        *ret = opening;
        return 0;
}

/* The call first, as in opening_fail(). */
Opening *opening_free(Opening *opening, bool is_copy) {
        if (!opening)
                return NULL;

        opening->wire = is_copy ? wire_free_copy(opening->wire) : wire_free(opening->wire);
        opening->conversation = conversation_free(opening->conversation);
        opening->agent = is_copy ? agent_free_copy(opening->agent) : agent_free(opening->agent);
        if (is_copy)
                opening->grant.wire = wire_free_copy(opening->grant.wire);
        opening_grant_deinit(&opening->grant);
        json_decref(opening->beginning);
        doorward_error_clear(&opening->refusal);
        doorward_error_clear(&opening->error);
        free(opening);
        return NULL;
}
