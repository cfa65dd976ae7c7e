/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as the head of a request
 *
 * What is taken is written in one form, which is taken again as the same, and in which there is
 * nothing that a service could read in another way. What a profile lets through, wider ones do.
 */

#include <string.h>
#include <sys/types.h>

#include "helpers/docker-route.h"
#include "tests/fuzz/fuzz.h"

static ssize_t parse(const char *data, size_t size, HttpRequest *ret) {
        const char *method, *target;
        char head[HTTP_REQUEST_MAX];
        ssize_t n = http_head_find_end(data, size);

        if (n <= 0)
                return -1;
        memcpy(head, data, (size_t)n);
        return http_request_parse(head, (size_t)n, ret, &method, &target) == 0 ? n : -1;
}

static void judge(const HttpRequest *request) {
        int before = DOCKER_ROUTE_E_NONE;

        for (int i = FILTER_DOCKER_STATUS; i < _FILTER_PROFILE_MAX; i++) {
                FilterProfile wanted = _FILTER_PROFILE_MAX;
                const char *detail;
                DockerBody body;
                int r = docker_route_judge(request, (FilterProfile)i, &body, &wanted, &detail);

                PROMISE(r != DOCKER_ROUTE_E_PROFILE || (int)wanted > i);
                PROMISE(before != 0 || r == 0);
                before = r;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char first[HTTP_REQUEST_MAX], second[HTTP_REQUEST_MAX];
        static HttpRequest request, again;
        ssize_t n;

        if (parse((const char *)data, size, &request) < 0)
                return 0;
        judge(&request);

        n = http_request_format(&request, first, sizeof(first));
        PROMISE(n > 0 && (size_t)n == strlen(first));
        PROMISE(strncmp(first, request.head ? "HEAD /" : "GET /", request.head ? 6 : 5) == 0);
        PROMISE(!strstr(request.target.path, "//") && !strpbrk(request.target.path, "%?#*\\ "));
        PROMISE(!strstr(request.target.path, "/../") && !strstr(request.target.path, "/./"));
        PROMISE(strstr(first, "\r\n\r\n") == first + n - 4);

        /* A query may grow to more than the longest that is read. */
        if (strcspn(first, "\r") > HTTP_QUERY_MAX)
                return 0;
        PROMISE(parse(first, (size_t)n, &again) == n);
        PROMISE(http_request_format(&again, second, sizeof(second)) == n);
        PROMISE(strcmp(first, second) == 0);
        return 0;
}
