/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "helpers/docker-refusal.h"

#define MESSAGE_MAX 768

static const char *const statuses[_DOCKER_REFUSAL_MAX] = {
        [DOCKER_REFUSAL_NONE] = "403 Forbidden",
        [DOCKER_REFUSAL_PROFILE] = "403 Forbidden",
        [DOCKER_REFUSAL_PARAMETER] = "403 Forbidden",
        [DOCKER_REFUSAL_FILTER] = "403 Forbidden",
        [DOCKER_REFUSAL_MALFORMED] = "400 Bad Request",
        [DOCKER_REFUSAL_TOO_LONG] = "431 Request Header Fields Too Large",
        [DOCKER_REFUSAL_TARGET] = "400 Bad Request",
        [DOCKER_REFUSAL_BODY] = "400 Bad Request",
        [DOCKER_REFUSAL_UPGRADE] = "403 Forbidden",
        [DOCKER_REFUSAL_VERSION] = "505 HTTP Version Not Supported",
        [DOCKER_REFUSAL_EXPECT] = "417 Expectation Failed",
        [DOCKER_REFUSAL_ANSWER] = "502 Bad Gateway",
};

/* The end of "the read-only view ... does not pass POST /containers/create". */
static const char *const reasons[_DOCKER_REFUSAL_MAX] = {
        [DOCKER_REFUSAL_NONE] = "",
        [DOCKER_REFUSAL_PROFILE] = "",
        [DOCKER_REFUSAL_PARAMETER] = " with this parameter: ",
        [DOCKER_REFUSAL_FILTER] =
                " with a filter on what it does not show, as the value of a label is",
        [DOCKER_REFUSAL_MALFORMED] = ", which is not well-formed",
        [DOCKER_REFUSAL_TOO_LONG] = ", whose head is longer than 8 KiB",
        [DOCKER_REFUSAL_TARGET] = ", since its path or query could be read in more than one way",
        [DOCKER_REFUSAL_BODY] = ", since it has a body",
        [DOCKER_REFUSAL_UPGRADE] = ", since it asks for another protocol",
        [DOCKER_REFUSAL_VERSION] = ", since it is not HTTP/1.1",
        [DOCKER_REFUSAL_EXPECT] = ", since it expects an answer in between",
        [DOCKER_REFUSAL_ANSWER] =
                " on, since the answer is of a form in which nothing can be hidden",
};

void docker_refusal_describe(const char *method, const char *target,
                             char buf[DOCKER_ASKED_MAX + 1]) {
        int n = (int)strcspn(target, "?");

        if (*method)
                (void)snprintf(buf, DOCKER_ASKED_MAX + 1, "%.16s %.*s", method, n, target);
        else
                (void)snprintf(buf, DOCKER_ASKED_MAX + 1, "a request");
        for (char *c = buf; *c; c++)
                if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
                        *c = '?';
}

static void message_format(DockerRefusal refusal, const DockerRefusalContext *context,
                           char buf[MESSAGE_MAX]) {
        bool named = refusal == DOCKER_REFUSAL_PARAMETER;
        int n;

        n = snprintf(buf, MESSAGE_MAX,
                     "doorward: the read-only view '%s' of %s does not pass %s%s%.64s",
                     context->profile, context->endpoint, context->asked, reasons[refusal],
                     named ? context->detail : "");
        if (refusal == DOCKER_REFUSAL_PROFILE)
                (void)snprintf(buf + n, MESSAGE_MAX - (size_t)n,
                               ". The profile '%s' does: an administrator can set "
                               "'Filter=docker %s'. Full access is: doorward run %s -- COMMAND",
                               context->detail, context->detail, context->endpoint);
        else if (refusal < DOCKER_REFUSAL_MALFORMED)
                (void)snprintf(buf + n, MESSAGE_MAX - (size_t)n,
                               ". Full access is: doorward run %s -- COMMAND", context->endpoint);
}

size_t docker_refusal_format(DockerRefusal refusal, const DockerRefusalContext *context,
                             char buf[DOCKER_REFUSAL_MAX]) {
        char message[MESSAGE_MAX], body[MESSAGE_MAX + 128];
        int n, n_body;

        message_format(refusal, context, message);
        n_body = snprintf(
                body, sizeof(body),
                "{\"cause\":\"refused by doorward\",\"message\":\"%s\",\"response\":%.3s}\n",
                message, statuses[refusal]);
        n = snprintf(buf, DOCKER_REFUSAL_MAX,
                     "HTTP/1.1 %s\r\n"
                     "Content-Type: application/json\r\n"
                     "Content-Length: %d\r\n"
                     "%s"
                     "\r\n"
                     "%s",
                     statuses[refusal], n_body, context->closes ? "Connection: close\r\n" : "",
                     context->head ? "" : body);
        return (size_t)n;
}
