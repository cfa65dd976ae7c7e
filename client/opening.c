/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include "client/agent.h"
#include "client/channel.h"
#include "client/conversation.h"
#include "client/opening.h"

/* Without an answer for so long, somebody else may be asking a person. */
#define EXTERNAL_DELAY_MS 500
/* After a conversation: PAM takes its time over a wrong password. */
#define EXTERNAL_DELAY_AFTER_MS 4000

typedef struct Opening {
        const OpeningSpec *spec;
        Wire *wire;
        Agent *agent;        /* ours, once it was started */
        bool agent_asks;     /* it had to be, or has been heard of since: nobody else asks */
        bool agent_gone;     /* it has ended, and is kept for what it knows */
        int64_t external_at; /* when to tell that somebody else may be asking, */
        bool external_told;  /* once */
} Opening;

static void opening_deinit(Opening *opening) {
        /* The call first, so that the agent's end does not look like an answer to polkit's. */
        opening->wire = wire_free(opening->wire);
        opening->agent = agent_free(opening->agent);
}

int opening_reply_read(const WireReply *reply, OpeningReply *ret) {
        OpeningReply read = {};
        const WireField fields[] = {
                {"state", WIRE_STRING, false, &read.state},
                {"access", WIRE_ENUM, true, &read.access, access_from_wire},
                {"mode", WIRE_ENUM, true, &read.mode, lease_mode_from_wire},
                {"lease", WIRE_STRING, true, &read.lease},
                {"kept", WIRE_BOOL, true, &read.kept},
                {"expires", WIRE_INT, true, &read.expires},
                {"action", WIRE_STRING, true, &read.action},
                {"how", WIRE_ENUM, true, &read.how, how_from_wire},
                {"connectAs", WIRE_STRING, true, &read.connect_as},
                {"logout", WIRE_BOOL, true, &read.logout},
                {"means", WIRE_ENUM, true, &read.means, means_from_wire},
                {"pam", WIRE_BOOL, true, &read.pam},
                {"reason", WIRE_STRING, true, &read.reason},
                {"requestId", WIRE_STRING, false, &read.request_id},
                {},
        };
        int r;

        r = wire_read(reply->parameters, fields);
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

static json_t *call_parameters(const OpeningSpec *spec) {
        const Uri *uri = spec->uri;
        json_t *parameters = json_pack("{s:s, s:s}", "endpoint", uri->endpoint, "access",
                                       access_to_wire((Access)uri->access));
        int r = 0;

        if (parameters && uri->has_user)
                r = json_object_set_new(parameters, "user", json_string(uri->user));
        if (parameters && r == 0 && spec->auth)
                r = json_object_set_new(parameters, "allowInteractiveAuthentication", json_true());
        if (parameters && r == 0 && spec->detached)
                r = json_object_set_new(parameters, "detached", json_true());
        if (parameters && r == 0 && spec->hold)
                r = json_object_set_new(parameters, "hold", json_true());
        if (r < 0) {
                json_decref(parameters);
                return NULL;
        }

        return parameters;
}

/* Each time on a wire of its own: one that is silent while an agent starts is cut. */
static int opening_call(Opening *opening, doorward_error *error) {
        int r;

        opening->wire = wire_free(opening->wire);
        r = wire_open(opening_broker_path(opening), WIRE_TIMEOUT_MS, &opening->wire, error);
        if (r < 0)
                return r;

        opening->external_at = channel_deadline(EXTERNAL_DELAY_MS);
        return wire_call_more(opening->wire, METHOD_OPEN, call_parameters(opening->spec),
                              channel_deadline_left(opening->spec->deadline), error);
}

/* Waiting. */

static bool external_is_to_be_told(const Opening *opening) {
        return !opening->agent_asks && !opening->external_told &&
               opening->external_at < opening->spec->deadline &&
               auth_takes(opening->spec->auth, DOORWARD_CRED_EXTERNAL);
}

static int tell_external(Opening *opening, doorward_error *error) {
        opening->external_told = true;
        return auth_tell_external(opening->spec->auth,
                                  "Somebody else may be asking for a password now: an "
                                  "authentication agent of the desktop, say.",
                                  error);
}

/* It can take as long as a person takes. What fails is the end: nothing will come of it any more.
 * Whether the broker's answer needs an agent that has ended, only that shows. */
static int hear_agent(Opening *opening, doorward_error *error) {
        int r;

        r = agent_process(opening->agent, opening->spec->deadline, error);
        if (r == AGENT_E_GONE) {
                opening->agent_gone = true;
                return 0;
        }

        opening->agent_asks = true;
        return r;
}

/* Until there may be a reply, or something was done in the meantime. */
static int opening_wait(Opening *opening, doorward_error *error) {
        bool external = external_is_to_be_told(opening);
        struct pollfd polls[] = {
                {.fd = wire_get_fd(opening->wire), .events = POLLIN},
                {.fd = opening->agent && !opening->agent_gone ? agent_get_fd(opening->agent)
                                                              : -EBADF,
                 .events = POLLIN},
        };
        int r;

        r = poll(polls, ELEMENTSOF(polls),
                 channel_deadline_left(external ? opening->external_at : opening->spec->deadline));
        if (r < 0)
                return errno == EINTR ? 0 : error_system(error, -errno, "Waiting failed");
        /* With the broker's answer it is over, whatever the agent has to say. */
        if (r > 0)
                return polls[0].revents ? 0 : hear_agent(opening, error);

        return external ? tell_external(opening, error) : wire_expire(opening->wire, error);
}

static int opening_next(Opening *opening, WireReply *ret, doorward_error *error) {
        int r;

        while ((r = wire_next(opening->wire, 0, ret, error)) == -EAGAIN) {
                r = opening_wait(opening, error);
                if (r < 0)
                        return r;
        }

        return r == 0 ? fail_protocol(opening, error, "ended the call without an answer") : r;
}

/* Replies. */

static int hold_conversation(Opening *opening, WireReply *reply, const OpeningReply *read,
                             doorward_error *error) {
        const OpeningSpec *spec = opening->spec;
        int r;

        if (!spec->auth || !reply->continues || reply->conversation < 0 || reply->connection >= 0)
                return fail_protocol(opening, error, "began a conversation out of turn");

        r = conversation_hold_consume_fd(TAKE_FD(reply->conversation), CONVERSATION_OF_ROOT,
                                         spec->auth, NULL, spec->deadline, error);
        if (r < 0)
                error_set_request(error, read->request_id);

        opening->external_at = channel_deadline(EXTERNAL_DELAY_AFTER_MS);
        return r;
}

static int fail_ended(const Opening *opening, const OpeningReply *read, doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED,
                  "Access to %s ended before it began: %s.", opening->spec->uri->endpoint,
                  read->reason ?: "no reason given");
        error_set_request(error, read->request_id);
        return -EREMOTEIO;
}

/* 1: it is the grant; 0: another reply is to come; -errno. */
static int opening_take(Opening *opening, WireReply *reply, OpeningReply *ret,
                        doorward_error *error) {
        if (opening_reply_read(reply, ret) < 0)
                return fail_protocol(opening, error, "sent a reply that cannot be read");
        if (streq(ret->state, "granted") && reply->conversation < 0)
                return 1;
        if (streq(ret->state, "conversation"))
                return hold_conversation(opening, reply, ret, error);
        if (streq(ret->state, "ended"))
                return fail_ended(opening, ret, error);

        return fail_protocol(opening, error, "sent a reply that cannot be read");
}

/* Refusals. */

static int start_agent(Opening *opening, doorward_error *error) {
        int r;

        r = auth_check(opening->spec->auth, error);
        return r < 0 ? r
                     : agent_start(opening_broker_path(opening), opening->spec->auth,
                                   opening->spec->deadline, &opening->agent, error);
}

/* Whether the agent may know why better than polkit, to which a failed prompt is a denial. */
static bool is_polkits(const doorward_error *error) {
        switch (error->code) {
        case DOORWARD_ERR_DENIED:
        case DOORWARD_ERR_AUTH_NEEDED:
        case DOORWARD_ERR_AUTH_FAILED:
        case DOORWARD_ERR_AUTH_CANCELLED:
        case DOORWARD_ERR_AUTH_UNAVAILABLE:
                return true;
        default:
                return false;
        }
}

static bool agent_has_news(const Agent *agent) {
        struct pollfd p = {.fd = agent_get_fd(agent), .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

/* The agent's last words may have come with the broker's. That it has ended explains only that
 * nobody was asked. */
static bool ask_agent_why(Opening *opening, int code, doorward_error *ret) {
        if (!opening->agent_gone && agent_has_news(opening->agent) && hear_agent(opening, ret) < 0)
                return true;
        if (opening->agent_gone && code != DOORWARD_ERR_AUTH_NEEDED && code != DOORWARD_ERR_DENIED)
                return false;

        return agent_explain(opening->agent, ret);
}

/* The broker has said no. 0 if the question was put again, or -errno. */
static int opening_refused(Opening *opening, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};

        if (!is_polkits(error) || !opening->spec->auth)
                return -EREMOTEIO;
        if (opening->agent) {
                if (ask_agent_why(opening, error->code, &why))
                        error_replace(error, &why);
                return -EREMOTEIO;
        }
        if (error->code != DOORWARD_ERR_AUTH_NEEDED)
                return -EREMOTEIO;

        /* polkit would ask, if there were somebody through whom to. */
        if (start_agent(opening, &why) < 0) {
                error_replace(error, &why);
                return -EREMOTEIO;
        }

        opening->agent_asks = true;
        doorward_error_clear(error);
        return opening_call(opening, error);
}

/* Whoever proves to be somebody else is not to do so again because polkit has nobody to ask: a call
 * that names a user has its agent from the first. Where none can be started, that is said only if
 * one is needed. */
static int opening_prepare(Opening *opening, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int r = 0;

        if (opening->spec->uri->has_user && opening->spec->auth)
                r = start_agent(opening, &why);
        return r == -ENOMEM ? error_no_memory(error) : 0;
}

int opening_run(const OpeningSpec *spec, Wire **ret_wire, WireReply *ret, OpeningReply *ret_read,
                doorward_error *error) {
        _cleanup_(opening_deinit) Opening opening = {.spec = spec};
        int r;

        r = opening_prepare(&opening, error);
        if (r == 0)
                r = opening_call(&opening, error);

        while (r == 0) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
                OpeningReply read;

                r = opening_next(&opening, &reply, error);
                if (r > 0)
                        r = opening_take(&opening, &reply, &read, error);
                else if (r == -EREMOTEIO)
                        r = opening_refused(&opening, error);
                if (r > 0) {
                        *ret = reply;
                        *ret_read = read;
                        *ret_wire = TAKE_PTR(opening.wire);
                        reply = (WireReply)WIRE_REPLY_NULL;
                }
        }

        return r < 0 ? r : 0;
}
