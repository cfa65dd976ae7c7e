/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/docker-route.h"
#include "helpers/docker-filters.h"

/* "*" is one part of a path, "**" some: the names of images have slashes. Parameters are those that
 * Docker and Podman know there, but for what shows more than the profile (details of logs are
 * labels and environment, showsecret is what it says) or has the service ask others. */
typedef struct Route {
        const char *path;
        FilterProfile profile;
        DockerBody body;
        const char *parameters;
        bool head;
} Route;

#define STATUS FILTER_DOCKER_STATUS, DOCKER_BODY_JSON
#define INSPECT FILTER_DOCKER_INSPECT, DOCKER_BODY_JSON
#define LOGS FILTER_DOCKER_LOGS, DOCKER_BODY_LOGS
#define LOGS_PARAMETERS "follow stdout stderr since until timestamps tail"

static const Route routes[] = {
        {"_ping", FILTER_DOCKER_STATUS, DOCKER_BODY_PLAIN, "", true},
        {"version", STATUS, ""},
        {"info", STATUS, ""},
        {"events", FILTER_DOCKER_STATUS, DOCKER_BODY_EVENTS, "since until filters"},
        {"containers/json", STATUS, "all limit size since before trunc_cmd filters"},
        {"images/json", STATUS, "all digests shared-size manifests only_ids filter filters"},
        {"networks", STATUS, "filters"},
        {"volumes", STATUS, "filters"},
        {"system/df", STATUS, "type verbose"},
        {"containers/*/json", INSPECT, "size"},
        {"images/**/json", INSPECT, "manifests platform"},
        {"images/**/history", INSPECT, "platform"},
        {"networks/*", INSPECT, "verbose scope"},
        {"volumes/*", INSPECT, ""},
        {"plugins/*/json", INSPECT, ""},
        {"containers/*/stats", FILTER_DOCKER_INSPECT, DOCKER_BODY_EVENTS, "stream one-shot"},
        {"containers/*/logs", LOGS, LOGS_PARAMETERS},

        {"libpod/_ping", FILTER_DOCKER_STATUS, DOCKER_BODY_PLAIN, "", true},
        {"libpod/version", STATUS, ""},
        {"libpod/info", STATUS, ""},
        {"libpod/events", FILTER_DOCKER_STATUS, DOCKER_BODY_EVENTS, "since until filters stream"},
        {"libpod/containers/json", STATUS,
         "all limit last size sync namespace pod external filters"},
        {"libpod/images/json", STATUS, "all filters"},
        {"libpod/networks/json", STATUS, "filters"},
        {"libpod/volumes/json", STATUS, "filters"},
        {"libpod/pods/json", STATUS, "filters"},
        {"libpod/system/df", STATUS, ""},
        {"libpod/containers/*/exists", STATUS, "external"},
        {"libpod/images/**/exists", STATUS, ""},
        {"libpod/networks/*/exists", STATUS, ""},
        {"libpod/volumes/*/exists", STATUS, ""},
        {"libpod/pods/*/exists", STATUS, ""},
        {"libpod/containers/*/json", INSPECT, "size"},
        {"libpod/images/**/json", INSPECT, "size"},
        {"libpod/images/**/history", INSPECT, ""},
        {"libpod/networks/*/json", INSPECT, ""},
        {"libpod/volumes/*/json", INSPECT, ""},
        {"libpod/pods/*/json", INSPECT, ""},
        {"libpod/containers/stats", FILTER_DOCKER_INSPECT, DOCKER_BODY_EVENTS,
         "containers stream interval all"},
        {"libpod/containers/*/logs", LOGS, LOGS_PARAMETERS},
};

/* "v1.41", before the path proper. */
static bool is_version(const char *part) {
        return part[0] == 'v' && part[1] >= '0' && part[1] <= '9' &&
               !part[strspn(part + 1, "0123456789.") + 1];
}

/* Whether this word of a pattern is the part. */
static bool word_is(const char *word, size_t size, const char *part) {
        return (size == 1 && *word == '*') ||
               (size == strlen(part) && memcmp(word, part, size) == 0);
}

static bool route_matches(const char *pattern, const char *const parts[], size_t n) {
        size_t i = 0;

        while (*pattern) {
                size_t size = strcspn(pattern, "/"), rest = 0;

                if (i == n)
                        return false;
                if (size == 2 && memcmp(pattern, "**", 2) == 0) {
                        /* As many as leave one for each word behind it. */
                        for (const char *c = pattern; *c; c++)
                                rest += *c == '/';
                        i = n > rest + i ? n - rest : i + 1;
                } else if (!word_is(pattern, size, parts[i++]))
                        return false;
                pattern += size + (pattern[size] == '/');
        }
        return i == n;
}

static const Route *route_find(const HttpRequest *request) {
        const char *const *parts = request->target.parts;
        size_t n = request->target.n_parts;

        if (is_version(parts[0])) {
                parts++;
                n--;
        }
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if (route_matches(routes[i].path, parts, n))
                        return request->head && !routes[i].head ? NULL : &routes[i];
        return NULL;
}

static bool route_has_parameter(const Route *route, const char *name) {
        size_t n = strlen(name);

        for (const char *found = strstr(route->parameters, name); found;
             found = strstr(found + 1, name))
                if ((found == route->parameters || found[-1] == ' ') &&
                    (found[n] == ' ' || !found[n]))
                        return true;
        return false;
}

int docker_route_judge(const HttpRequest *request, FilterProfile profile, DockerBody *ret_body,
                       FilterProfile *ret_profile, const char **ret_detail) {
        const Route *route = route_find(request);

        if (!route)
                return DOCKER_ROUTE_E_NONE;
        if (route->profile > profile) {
                *ret_profile = route->profile;
                return DOCKER_ROUTE_E_PROFILE;
        }

        for (size_t i = 0; i < request->target.n_parameters; i++) {
                const HttpParameter *parameter = &request->target.parameters[i];

                *ret_detail = parameter->name;
                if (!route_has_parameter(route, parameter->name))
                        return DOCKER_ROUTE_E_PARAMETER;
                if (streq(parameter->name, "filters") &&
                    !docker_filters_are_harmless(parameter->value))
                        return DOCKER_ROUTE_E_FILTER;
        }

        *ret_body = route->body;
        return 0;
}
