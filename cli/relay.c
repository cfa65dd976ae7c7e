/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/relay-join.h"
#include "cli/relay-open.h"
#include "cli/report.h"
#include "client/capabilities.h"
#include "client/host-info.h"
#include "config.h"

/* What is left of a reply for them. */
#define CAPABILITIES_MAX (VARLINK_REPLY_MAX - sizeof("{\"parameters\":{\"capabilities\":}}"))

/* The rest of org.doorward.Relay: calls that are answered from what there is. */

static int answer_info(RelayLink *link) {
        return relay_link_reply(link,
                                json_pack("{s:s, s:s, s:s, s:s, s:[s,s]}", "vendor", "doorward",
                                          "product", "doorward relay", "version", VERSION, "url",
                                          "", "interfaces", "org.varlink.service", RELAY_INTERFACE),
                                false);
}

static int answer_description(RelayLink *link, const RelayCall *call) {
        const char *name = call->values[0].string, *text;

        text = streq(name, RELAY_INTERFACE)         ? relay_interface_text
               : streq(name, "org.varlink.service") ? interface_service_text
                                                    : NULL;
        if (!text)
                return relay_link_fail_service(link, ERROR_INTERFACE_NOT_FOUND, "interface", name);

        return relay_link_reply(link, json_pack("{s:s}", "description", text), false);
}

/* A reply of the broker's, whole. Takes nothing of it. */
static int pass_on(RelayLink *link, const char *member, json_t *value, bool continues) {
        return relay_link_reply(link, value ? json_pack("{s:O}", member, value) : json_object(),
                                continues);
}

static int answer_host_info(RelayLink *link) {
        doorward_host_info *info = host_info_new("");
        json_t *object = info ? host_info_to_json(info) : NULL;

        doorward_host_info_free(info);
        return relay_link_reply(link, object ? json_pack("{s:o}", "info", object) : NULL, false);
}

/* What the broker answers to one question. */
static int answer_question(RelayLink *link, const RelayCall *call, MethodId method,
                           const char *member) {
        json_t *parameters = call->parameters ? json_incref(call->parameters) : json_object();
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_(wire_freep) Wire *wire = NULL;
        _cleanup_error_ doorward_error error = {};
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, &error);
        if (r == 0)
                r = wire_call(wire, method, parameters, WIRE_TIMEOUT_MS, &reply, &error);
        else
                json_decref(parameters);

        return r < 0 ? relay_link_fail(link, &error)
                     : pass_on(link, member, reply.parameters, false);
}

/* The other end takes a reply up to some length, and it is better told than cut off. */
static int fail_long(RelayLink *link) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_LIMIT, EMSGSIZE,
                  "There are too many endpoints to say all that there is in one answer.");
        error_set_hint(&error, "Use 'doorward capabilities' on the machine itself.");
        return relay_link_fail(link, &error);
}

static int answer_capabilities(RelayLink *link) {
        _cleanup_error_ doorward_error error = {};
        json_t *capabilities;
        int r;

        r = capabilities_get(NULL, &capabilities, &error);
        if (r < 0)
                return relay_link_fail(link, &error);

        r = json_dumpb(capabilities, NULL, 0, JSON_COMPACT) > CAPABILITIES_MAX
                    ? fail_long(link)
                    : pass_on(link, "capabilities", capabilities, false);
        json_decref(capabilities);
        return r;
}

static int answer_list(RelayLink *link, const RelayCall *call) {
        json_t *parameters = call->parameters ? json_incref(call->parameters) : json_object();
        _cleanup_(wire_freep) Wire *wire = NULL;
        _cleanup_error_ doorward_error error = {};
        bool continues = true;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, &error);
        if (r < 0)
                json_decref(parameters);
        else if (call->more)
                r = wire_call_more(wire, METHOD_LIST_ENDPOINTS, parameters, WIRE_TIMEOUT_MS,
                                   &error);
        else {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_call(wire, METHOD_LIST_ENDPOINTS, parameters, WIRE_TIMEOUT_MS, &reply,
                              &error);
                if (r == 0)
                        return pass_on(link, "endpoint",
                                       json_object_get(reply.parameters, "endpoint"), false);
        }

        while (r == 0 && continues) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_next(wire, WIRE_TIMEOUT_MS, &reply, &error);
                if (r < 0)
                        break;
                continues = reply.continues;
                r = pass_on(link, "endpoint", json_object_get(reply.parameters, "endpoint"),
                            continues);
                if (r < 0)
                        return r;
        }

        return r < 0 ? relay_link_fail(link, &error) : 0;
}

/* 1: *ret_conn was opened, and the stream is its own now; 0: that was answered; -errno. */
static int answer(RelayLink *link, const RelayCall *call, doorward_conn **ret_conn) {
        switch (call->method) {
        case RELAY_OPEN:
                return relay_open(link, call, ret_conn);
        case RELAY_CONTINUE:
                return relay_link_refuse(link, RELAY_OUT_OF_TURN);
        case RELAY_EXPLAIN:
                return answer_question(link, call, METHOD_EXPLAIN, "explanation");
        case RELAY_GET_BROKER_INFO:
                return answer_question(link, call, METHOD_GET_BROKER_INFO, "info");
        case RELAY_GET_CAPABILITIES:
                return answer_capabilities(link);
        case RELAY_LIST_ENDPOINTS:
                return answer_list(link, call);
        case RELAY_SERVICE_GET_INFO:
                return answer_info(link);
        case RELAY_SERVICE_GET_INTERFACE_DESCRIPTION:
                return answer_description(link, call);
        case RELAY_GET_HOST_INFO:
                return answer_host_info(link);
        default:
                return -ENOSYS; /* there are no others */
        }
}

/* As answer(); -EPIPE: the near end has hung up. */
static int serve(RelayLink *link, doorward_conn **ret_conn) {
        int r;

        do {
                _cleanup_(relay_call_deinit) RelayCall call = {};

                r = relay_link_receive(link, &call);
                if (r <= 0)
                        return r < 0 ? r : -EPIPE;
                r = answer(link, &call, ret_conn);
        } while (r == 0);

        return r;
}

static int fail_terminal(const Options *options) {
        return report_problem(options, DOORWARD_ERR_INVALID_ARG,
                              "A URI such as doorward+ssh://HOST/ENDPOINT starts it where it is "
                              "needed: see doorward-remote(7).",
                              "'doorward relay' is the far end of a connection from another "
                              "machine. It speaks to a program, not to people on a terminal.");
}

static int fail_link(const Options *options, int error) {
        if (error == -EBADMSG || error == -EMSGSIZE)
                return report_problem(options, DOORWARD_ERR_PROTOCOL,
                                      "It speaks org.doorward.Relay, which is Varlink: JSON "
                                      "objects that end with a NUL.",
                                      "What was sent to 'doorward relay' is %s.",
                                      error == -EMSGSIZE ? "too long" : "no call");

        return report_errno(options, error, "The other end of 'doorward relay' is lost");
}

static int relay_run(const Options *options, RelayLink *link) {
        const RelayJoinSpec spec = {
                .input = STDIN_FILENO, .output = STDOUT_FILENO, .news = STDERR_FILENO};
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        int r;

        r = serve(link, &conn);
        relay_link_deinit(link);
        if (r == -EPIPE)
                return EXIT_STATUS_OK;
        if (r < 0)
                return fail_link(options, r);

        r = relay_join(&spec, conn);
        return r < 0 ? report_errno(options, r, "%s", conn->uri.endpoint) : EXIT_STATUS_OK;
}

int command_relay(const Options *options, char **arguments, size_t n) {
        RelayLink link;

        (void)arguments;
        (void)n;
        if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO))
                return fail_terminal(options);

        /* Passwords pass through here: no core dump, and nobody attaches. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return report_errno(options, -errno, "This process cannot be kept to itself");
        (void)signal(SIGPIPE, SIG_IGN);

        relay_link_init(&link, STDIN_FILENO, STDOUT_FILENO);
        return relay_run(options, &link);
}
