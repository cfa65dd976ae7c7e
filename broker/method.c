/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "broker/agent.h"
#include "broker/broker.h"
#include "broker/explain.h"
#include "broker/info.h"
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
