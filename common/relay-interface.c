/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/relay-interface.h"

/* clang-format off */
const Method relay_methods[_RELAY_METHOD_MAX] = {
        [RELAY_OPEN] = {RELAY_PREFIX "Open", {
                {"endpoint", FIELD_STRING, false},
                {"access", FIELD_ACCESS, false},
                {"user", FIELD_STRING, true},
                {"interactive", FIELD_BOOL, true},
        }},
        [RELAY_CONTINUE] = {RELAY_PREFIX "Continue", {
                {"answers", FIELD_STRINGS, true},
                {"cancel", FIELD_BOOL, true},
        }},
        [RELAY_EXPLAIN] = {RELAY_PREFIX "Explain", {
                {"endpoint", FIELD_STRING, false},
                {"access", FIELD_ACCESS, false},
        }},
        [RELAY_LIST_ENDPOINTS] = {RELAY_PREFIX "ListEndpoints", {
                {"decisions", FIELD_BOOL, true},
        }},
        [RELAY_GET_HOST_INFO] = {RELAY_PREFIX "GetHostInfo", {}},
        [RELAY_GET_BROKER_INFO] = {RELAY_PREFIX "GetBrokerInfo", {}},
        [RELAY_GET_CAPABILITIES] = {RELAY_PREFIX "GetCapabilities", {}},
        [RELAY_SERVICE_GET_INFO] = {INTERFACE_SERVICE_PREFIX "GetInfo", {}},
        [RELAY_SERVICE_GET_INTERFACE_DESCRIPTION] = {
                INTERFACE_SERVICE_PREFIX "GetInterfaceDescription", {
                {"interface", FIELD_STRING, false},
        }},
};
/* clang-format on */

static const char *const error_names[_RELAY_ERROR_MAX] = {
        [RELAY_FAILED] = RELAY_PREFIX "Failed",
        [RELAY_EXPECTED_UPGRADE] = RELAY_PREFIX "ExpectedUpgrade",
        [RELAY_OUT_OF_TURN] = RELAY_PREFIX "OutOfTurn",
};

static const char *const prompt_words[_RELAY_PROMPT_MAX] = {
        [RELAY_PROMPT_NAME] = "name",         [RELAY_PROMPT_ECHO_ON] = "echo_on",
        [RELAY_PROMPT_ECHO_OFF] = "echo_off", [RELAY_PROMPT_INFO] = "info",
        [RELAY_PROMPT_ERROR] = "error",       [RELAY_PROMPT_EXTERNAL] = "external",
};

int relay_find_method(const char *name) {
        for (int i = 0; i < _RELAY_METHOD_MAX; i++)
                if (streq(relay_methods[i].name, name))
                        return i;

        return -EINVAL;
}

const char *relay_error_name(RelayError error) {
        return error_names[error];
}

int relay_find_error(const char *name) {
        for (int i = 1; i < _RELAY_ERROR_MAX; i++)
                if (streq(error_names[i], name))
                        return i;

        return -EINVAL;
}

const char *relay_prompt_to_wire(RelayPrompt kind) {
        return prompt_words[kind];
}

int relay_prompt_from_wire(const char *text) {
        for (int i = 1; i < _RELAY_PROMPT_MAX; i++)
                if (streq(prompt_words[i], text))
                        return i;

        return -EINVAL;
}
