#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Refusal: what a client is told instead of an answer
 *
 * It is an error of Docker's interface, and of Podman's, so that their clients print its message:
 * who refused what, and what would allow it.
 */

#include "common/filter-profile.h"
#include "helpers/http-request.h"

#define DOCKER_REFUSAL_MAX 2048
/* "POST /containers/create", as far as it is of interest. */
#define DOCKER_ASKED_MAX 128

typedef enum DockerRefusal {
        DOCKER_REFUSAL_NONE = 1,  /* full access would allow it */
        DOCKER_REFUSAL_PROFILE,   /* a profile would, which is the detail */
        DOCKER_REFUSAL_PARAMETER, /* the detail is the parameter */
        DOCKER_REFUSAL_FILTER,
        DOCKER_REFUSAL_MALFORMED, /* and the following: not as a request has to be */
        DOCKER_REFUSAL_TOO_LONG,
        DOCKER_REFUSAL_TARGET,
        DOCKER_REFUSAL_BODY,
        DOCKER_REFUSAL_UPGRADE,
        DOCKER_REFUSAL_VERSION,
        DOCKER_REFUSAL_EXPECT,
        DOCKER_REFUSAL_ANSWER, /* the service's answer cannot be looked into */
        _DOCKER_REFUSAL_MAX,
} DockerRefusal;

typedef struct DockerRefusalContext {
        const char *endpoint;
        const char *profile;
        const char *asked;
        const char *detail;
        bool head;   /* without the body */
        bool closes; /* nothing else is answered */
} DockerRefusalContext;

/* What was asked for, from a method and a target that may be anything. */
void docker_refusal_describe(const char *method, const char *target,
                             char buf[DOCKER_ASKED_MAX + 1]);

/* The whole answer; its length. */
size_t docker_refusal_format(DockerRefusal refusal, const DockerRefusalContext *context,
                             char buf[DOCKER_REFUSAL_MAX]);
