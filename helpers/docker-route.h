#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Route: what of Docker's and Podman's interface each profile lets through
 *
 * One table of whole paths, with the parameters that each may have. What is not in it is refused,
 * whatever a later version of either may offer there.
 */

#include "common/filter-profile.h"
#include "helpers/http-request.h"

typedef enum DockerBody {
        DOCKER_BODY_JSON = 1, /* one value */
        DOCKER_BODY_EVENTS,   /* values, one after the other */
        DOCKER_BODY_PLAIN,    /* "OK": as it is */
        DOCKER_BODY_LOGS,     /* what a container has printed: as it is */
} DockerBody;

typedef enum DockerRouteError {
        _DOCKER_ROUTE_E_SUCCESS,
        DOCKER_ROUTE_E_NONE,      /* it needs full access */
        DOCKER_ROUTE_E_PROFILE,   /* *ret_profile would let it through */
        DOCKER_ROUTE_E_PARAMETER, /* *ret_detail is a parameter that it may not have */
        DOCKER_ROUTE_E_FILTER,    /* *ret_detail is what may not be filtered by */
} DockerRouteError;

/* Judges a request: 0, and *ret_body; or one of the above. */
int docker_route_judge(const HttpRequest *request, FilterProfile profile, DockerBody *ret_body,
                       FilterProfile *ret_profile, const char **ret_detail) _must_check_;
