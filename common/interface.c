/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/interface.h"
#include "common/terms.h"

/* clang-format off */
#define PROOF {"proof", FIELD_STRING, true}

const Method interface_methods[_METHOD_MAX] = {
        [METHOD_LIST_ENDPOINTS] = {INTERFACE_PREFIX "ListEndpoints", {
                {"decisions", FIELD_BOOL, true},
                PROOF,
        }},
        [METHOD_EXPLAIN] = {INTERFACE_PREFIX "Explain", {
                {"endpoint", FIELD_STRING, false},
                {"access", FIELD_ACCESS, false},
                PROOF,
        }},
        [METHOD_OPEN] = {INTERFACE_PREFIX "Open", {
                {"endpoint", FIELD_STRING, false},
                {"access", FIELD_ACCESS, false},
                {"user", FIELD_STRING, true},
                {"allowInteractiveAuthentication", FIELD_BOOL, true},
                {"lease", FIELD_STRING, true},
                {"hold", FIELD_BOOL, true},
                {"detached", FIELD_BOOL, true},
                {"timeout", FIELD_INT, true},
                PROOF,
        }},
        [METHOD_AGENT_RESPOND] = {INTERFACE_PREFIX "AgentRespond", {
                {"cookie", FIELD_STRING, false},
                {"user", FIELD_INT, false},
                PROOF,
        }},
        [METHOD_LIST_LEASES] = {INTERFACE_PREFIX "ListLeases", {
                {"all", FIELD_BOOL, true},
                PROOF,
        }},
        [METHOD_REVOKE] = {INTERFACE_PREFIX "Revoke", {
                {"lease", FIELD_STRING, true},
                {"uid", FIELD_INT, true},
                {"endpoint", FIELD_STRING, true},
                {"block", FIELD_INT, true},
                PROOF,
        }},
        [METHOD_MONITOR] = {INTERFACE_PREFIX "Monitor", {
                {"all", FIELD_BOOL, true},
                PROOF,
        }},
        [METHOD_GET_BROKER_INFO] = {INTERFACE_PREFIX "GetBrokerInfo", {PROOF}},
        [METHOD_FORGET] = {INTERFACE_PREFIX "Forget", {PROOF}},
        [METHOD_SERVICE_GET_INFO] = {INTERFACE_SERVICE_PREFIX "GetInfo", {}},
        [METHOD_SERVICE_GET_INTERFACE_DESCRIPTION] = {
                INTERFACE_SERVICE_PREFIX "GetInterfaceDescription", {
                {"interface", FIELD_STRING, false},
        }},
};
/* clang-format on */

static const char *const error_names[_ERROR_MAX] = {
        [ERROR_ENDPOINT_NOT_FOUND] = INTERFACE_PREFIX "EndpointNotFound",
        [ERROR_ACCESS_UNSUPPORTED] = INTERFACE_PREFIX "AccessUnsupported",
        [ERROR_PERMISSION_DENIED] = INTERFACE_PREFIX "PermissionDenied",
        [ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED] =
                INTERFACE_PREFIX "InteractiveAuthenticationRequired",
        [ERROR_AUTHENTICATION_FAILED] = INTERFACE_PREFIX "AuthenticationFailed",
        [ERROR_AUTHENTICATION_CANCELLED] = INTERFACE_PREFIX "AuthenticationCancelled",
        [ERROR_AUTHENTICATION_UNAVAILABLE] = INTERFACE_PREFIX "AuthenticationUnavailable",
        [ERROR_POLICY_UNAVAILABLE] = INTERFACE_PREFIX "PolicyUnavailable",
        [ERROR_ENDPOINT_UNAVAILABLE] = INTERFACE_PREFIX "EndpointUnavailable",
        [ERROR_LIMIT_EXCEEDED] = INTERFACE_PREFIX "LimitExceeded",
        [ERROR_LEASE_NOT_FOUND] = INTERFACE_PREFIX "LeaseNotFound",
        [ERROR_TIMED_OUT] = INTERFACE_PREFIX "TimedOut",
        [ERROR_IDENTITY_PROOF_REQUIRED] = INTERFACE_PREFIX "IdentityProofRequired",
        [ERROR_METHOD_NOT_FOUND] = INTERFACE_SERVICE_PREFIX "MethodNotFound",
        [ERROR_METHOD_NOT_IMPLEMENTED] = INTERFACE_SERVICE_PREFIX "MethodNotImplemented",
        [ERROR_INVALID_PARAMETER] = INTERFACE_SERVICE_PREFIX "InvalidParameter",
        [ERROR_INTERFACE_NOT_FOUND] = INTERFACE_SERVICE_PREFIX "InterfaceNotFound",
        [ERROR_EXPECTED_MORE] = INTERFACE_SERVICE_PREFIX "ExpectedMore",
};

const char interface_service_text[] =
        "# What every Varlink service can be asked about itself.\n"
        "interface org.varlink.service\n"
        "\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string\n"
        ")\n"
        "\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "error InterfaceNotFound (interface: string)\n"
        "error MethodNotFound (method: string)\n"
        "error MethodNotImplemented (method: string)\n"
        "error InvalidParameter (parameter: string)\n"
        "error PermissionDenied ()\n"
        "error ExpectedMore ()\n";

int interface_find_method(const char *name) {
        for (int i = 0; i < _METHOD_MAX; i++)
                if (streq(interface_methods[i].name, name))
                        return i;

        return -EINVAL;
}

const char *interface_error_name(ErrorId error) {
        return error_names[error];
}

int interface_find_error(const char *name) {
        for (int i = 1; i < _ERROR_MAX; i++)
                if (streq(error_names[i], name))
                        return i;

        return -EINVAL;
}

static bool is_strings(const json_t *json) {
        for (size_t i = 0; i < json_array_size(json); i++)
                if (!json_is_string(json_array_get(json, i)))
                        return false;

        return json_is_array(json);
}

static int field_read(const Field *field, json_t *json, FieldValue *ret) {
        FieldValue value = {.present = true};

        switch (field->type) {
        case FIELD_BOOL:
                if (!json_is_boolean(json))
                        return -EINVAL;
                value.boolean = json_is_true(json);
                break;
        case FIELD_INT:
                if (!json_is_integer(json))
                        return -EINVAL;
                value.integer = json_integer_value(json);
                break;
        case FIELD_STRING:
        case FIELD_ACCESS:
                if (!json_is_string(json))
                        return -EINVAL;
                value.string = json_string_value(json);
                if (field->type == FIELD_ACCESS) {
                        value.access = access_from_wire(value.string);
                        if (value.access < 0)
                                return -EINVAL;
                }
                break;
        case FIELD_STRINGS:
                if (!is_strings(json))
                        return -EINVAL;
                value.array = json;
                break;
        }

        *ret = value;
        return 0;
}

static int method_find_field(const Method *method, const char *name) {
        for (int i = 0; i < INTERFACE_FIELDS_MAX && method->fields[i].name; i++)
                if (streq(method->fields[i].name, name))
                        return i;

        return -EINVAL;
}

int interface_read_parameters(const Method *method, const json_t *parameters,
                              FieldValue values[INTERFACE_FIELDS_MAX], const char **ret_name) {
        const char *key;
        json_t *json;

        memset(values, 0, INTERFACE_FIELDS_MAX * sizeof(values[0]));

        json_object_foreach((json_t *)parameters, key, json) {
                int i = method_find_field(method, key);

                *ret_name = key;
                if (i < 0)
                        return -EINVAL;
                if (!json_is_null(json) && field_read(&method->fields[i], json, &values[i]) < 0)
                        return -EINVAL;
        }

        for (int i = 0; i < INTERFACE_FIELDS_MAX && method->fields[i].name; i++)
                if (!values[i].present && !method->fields[i].nullable) {
                        *ret_name = method->fields[i].name;
                        return -EINVAL;
                }

        return 0;
}
