/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "broker/agent.h"
#include "broker/broker.h"
#include "broker/explain.h"
#include "broker/lease-list.h"
#include "broker/list.h"
#include "broker/method.h"
#include "broker/monitor.h"
#include "broker/open.h"
#include "broker/revoke.h"
#include "broker/session.h"

typedef void (*MethodFunc)(Session *session, const FieldValue *values);

static void service_get_info(Session *session, const FieldValue *values) {
        session_reply_consume(session,
                              json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "doorward",
                                        "product", "doorwardd", "version", VERSION, "url", "",
                                        "interfaces", INTERFACE_NAME, "org.varlink.service"),
                              -EBADF, false);
}

static void service_get_interface_description(Session *session, const FieldValue *values) {
        const char *text = NULL;

        if (streq(values[0].string, INTERFACE_NAME))
                text = interface_text;
        else if (streq(values[0].string, "org.varlink.service"))
                text = interface_service_text;

        if (text)
                session_reply_consume(session, json_pack("{s:s}", "description", text), -EBADF,
                                      false);
        else
                session_refuse_service(session, ERROR_INTERFACE_NOT_FOUND, values[0].string);
}

static json_t *limits_to_json(const Broker *broker) {
        const Settings *settings = broker->settings;

        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                         "DescriptorsPerLease", (json_int_t)settings->descriptors_per_lease,
                         "DescriptorsPerUser", (json_int_t)settings->descriptors_per_user,
                         "LimitNOFILE", (json_int_t)broker->descriptors_max, "UndeliveredPerUser",
                         (json_int_t)settings->undelivered_per_user, "KeptLeasesMax",
                         (json_int_t)settings->kept_leases_max, "ConnectionsPerUser",
                         (json_int_t)settings->connections_per_user, "ConnectionsMax",
                         (json_int_t)settings->connections_max, "LeasesPerUser",
                         (json_int_t)settings->leases_per_user, "LeasesMax",
                         (json_int_t)settings->leases_max, "RequestRate",
                         (json_int_t)settings->request_rate, "RequestBurst",
                         (json_int_t)settings->request_burst, "PolicyChecksMax",
                         (json_int_t)settings->policy_checks_max, "PolicyChecksPerUser",
                         (json_int_t)settings->policy_checks_per_user);
}

static void append_strings(json_t *array, char *const *strv) {
        for (; strv && *strv; strv++)
                (void)json_array_append_new(array, json_string(*strv));
}

/* The settings' own, and those of every definition. */
static json_t *warnings_to_json(const Broker *broker) {
        json_t *array = json_array();

        append_strings(array, broker->settings->warnings);
        append_strings(array, broker->catalogue->warnings);
        for (size_t i = 0; i < broker->catalogue->n_definitions; i++)
                append_strings(array, broker->catalogue->definitions[i]->warnings);
        if (broker->descriptors_warning)
                (void)json_array_append_new(array, json_string(broker->descriptors_warning));

        return array;
}

static json_t *features_to_json(const Broker *broker) {
        json_t *array = json_array();

        if (broker->kernel_has_peerpidfd)
                (void)json_array_append_new(array, json_string("peerpidfd"));
        if (broker->settings->kept_leases_max > 0 && getenv("NOTIFY_SOCKET"))
                (void)json_array_append_new(array, json_string("fdstore"));
        return array;
}

static void get_broker_info(Session *session, const FieldValue *values) {
        Broker *broker = session->broker;
        bool kernel = broker->kernel_has_peerpidfd;
        const char *version = authority_version(broker->authority);

        session_reply_consume(session,
                              json_pack("{s:s, s:i, s:b, s:o, s:o, s:o, s:o}", "version", VERSION,
                                        "protocol", INTERFACE_PROTOCOL, "identityProof",
                                        !kernel || broker->settings->proof_always, "polkit",
                                        version ? json_string(version) : json_null(), "features",
                                        features_to_json(broker), "limits", limits_to_json(broker),
                                        "warnings", warnings_to_json(broker)),
                              -EBADF, false);
}

static void forget(Session *session, const FieldValue *values) {
        Broker *broker = session->broker;
        unsigned n = stepup_table_forget(&broker->stepups, session->peer.uid,
                                         broker_now_boottime(broker));

        session_reply_consume(session, json_pack("{s:i}", "forgotten", (int)n), -EBADF, false);
}

static const struct {
        MethodFunc func;
        bool needs_proof;
} methods[_METHOD_MAX] = {
        [METHOD_LIST_ENDPOINTS] = {list_endpoints, true},
        [METHOD_EXPLAIN] = {explain, true},
        [METHOD_OPEN] = {open_endpoint, true},
        [METHOD_AGENT_RESPOND] = {agent_respond, true},
        [METHOD_LIST_LEASES] = {lease_list, true},
        [METHOD_REVOKE] = {revoke_leases, true},
        [METHOD_MONITOR] = {monitor, true},
        [METHOD_GET_BROKER_INFO] = {get_broker_info, true},
        [METHOD_FORGET] = {forget, true},
        [METHOD_SERVICE_GET_INFO] = {service_get_info, false},
        [METHOD_SERVICE_GET_INTERFACE_DESCRIPTION] = {service_get_interface_description, false},
};

bool method_needs_proof(MethodId id) {
        return methods[id].needs_proof;
}

void method_call(Session *session, MethodId id, const FieldValue *values) {
        methods[id].func(session, values);
}
