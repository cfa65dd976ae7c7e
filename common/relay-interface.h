#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Relay interface: org.doorward.Relay as data
 *
 * The text (org.doorward.Relay.varlink) is the normative description, here as with the broker's
 * (common/interface.h): both ends are made of these tables, and tests/unit/test-relay-interface.c
 * holds them to it.
 */

#include "common/interface.h"

#define RELAY_INTERFACE "org.doorward.Relay"
#define RELAY_PREFIX RELAY_INTERFACE "."

/* A call, its NUL included: there is an answer in one, and little else. A reply measures up to
 * VARLINK_REPLY_MAX. */
#define RELAY_REQUEST_MAX 8192U
/* How much one prompt says, and how many of them a call can meet. */
#define RELAY_TEXT_MAX 512U
#define RELAY_PROMPTS_MAX 64U
#define RELAY_CHOICES_MAX 64U
/* A line of news. */
#define RELAY_NEWS_MAX 512U

typedef enum RelayMethod {
        RELAY_OPEN,
        RELAY_CONTINUE,
        RELAY_EXPLAIN,
        RELAY_LIST_ENDPOINTS,
        RELAY_GET_HOST_INFO,
        RELAY_GET_BROKER_INFO,
        RELAY_GET_CAPABILITIES,
        RELAY_SERVICE_GET_INFO,
        RELAY_SERVICE_GET_INTERFACE_DESCRIPTION,
        _RELAY_METHOD_MAX,
} RelayMethod;

typedef enum RelayError {
        RELAY_FAILED = 1,
        RELAY_EXPECTED_UPGRADE,
        RELAY_OUT_OF_TURN,
        _RELAY_ERROR_MAX,
} RelayError;

typedef enum RelayPrompt {
        RELAY_PROMPT_NAME = 1,
        RELAY_PROMPT_ECHO_ON,
        RELAY_PROMPT_ECHO_OFF,
        RELAY_PROMPT_INFO,
        RELAY_PROMPT_ERROR,
        RELAY_PROMPT_EXTERNAL,
        _RELAY_PROMPT_MAX,
} RelayPrompt;

static inline bool relay_prompt_wants_answer(RelayPrompt kind) {
        return kind == RELAY_PROMPT_NAME || kind == RELAY_PROMPT_ECHO_ON ||
               kind == RELAY_PROMPT_ECHO_OFF;
}

extern const char relay_interface_text[];

extern const Method relay_methods[_RELAY_METHOD_MAX];

/* The method of a qualified name, or -EINVAL. */
int relay_find_method(const char *name);

/* Its qualified name; static. And the error of one, or -EINVAL. */
const char *relay_error_name(RelayError error);
int relay_find_error(const char *name);

/* The word; static. And the kind of one, or -EINVAL. */
const char *relay_prompt_to_wire(RelayPrompt kind);
int relay_prompt_from_wire(const char *text);
