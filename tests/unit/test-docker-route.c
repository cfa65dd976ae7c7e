/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/docker-route.h"

/* 0 or why not, at this profile. */
static int judge(const char *start, FilterProfile profile, FilterProfile *ret_wanted,
                 const char **ret_detail) {
        const char *method, *target;
        HttpRequest request;
        DockerBody body;
        char text[1024];
        int n, r;

        n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: d\r\n\r\n", start);
        assert_int_equal(http_request_parse(text, (size_t)n, &request, &method, &target), 0);
        r = docker_route_judge(&request, profile, &body, ret_wanted, ret_detail);
        if (r == DOCKER_ROUTE_E_PARAMETER || r == DOCKER_ROUTE_E_FILTER)
                assert_true(strstr(start, *ret_detail));
        return r;
}

static int judge_at(const char *start, FilterProfile profile) {
        FilterProfile wanted;
        const char *detail;

        return judge(start, profile, &wanted, &detail);
}

/* The least profile that lets it through. */
static void check(const char *start, FilterProfile least) {
        for (int i = FILTER_DOCKER_STATUS; i < _FILTER_PROFILE_MAX; i++) {
                FilterProfile wanted = _FILTER_PROFILE_MAX;
                const char *detail;
                int r = judge(start, (FilterProfile)i, &wanted, &detail);

                if (r != (i < (int)least ? DOCKER_ROUTE_E_PROFILE : 0))
                        fail_msg("%s at %d: %d", start, i, r);
                if (r != 0)
                        assert_int_equal(wanted, least);
        }
}

static void test_profiles(void **state) {
        check("GET /_ping", FILTER_DOCKER_STATUS);
        check("HEAD /_ping", FILTER_DOCKER_STATUS);
        check("HEAD /v1.41/_ping", FILTER_DOCKER_STATUS);
        check("GET /v1.41/containers/json?all=1&limit=3&size=1", FILTER_DOCKER_STATUS);
        check("GET /events?since=1&until=2", FILTER_DOCKER_STATUS);
        check("GET /v4.3.1/libpod/containers/json?all=true&last=-1&namespace=false&sync=false",
              FILTER_DOCKER_STATUS);
        check("GET /libpod/images/a/b/exists", FILTER_DOCKER_STATUS);
        check("GET /containers/4f/json?size=1", FILTER_DOCKER_INSPECT);
        check("GET /containers/json/json", FILTER_DOCKER_INSPECT);
        check("GET /images/docker.io/library/alpine:3/json", FILTER_DOCKER_INSPECT);
        check("GET /v1.41/images/a/history", FILTER_DOCKER_INSPECT);
        check("GET /v4.3.1/libpod/images/docker.io%2Flibrary%2Falpine:latest/json?size=false",
              FILTER_DOCKER_INSPECT);
        check("GET /networks/bridge", FILTER_DOCKER_INSPECT);
        check("GET /containers/4f/stats?stream=0&one-shot=1", FILTER_DOCKER_INSPECT);
        check("GET /v4.3.1/libpod/containers/stats?interval=5&stream=false", FILTER_DOCKER_INSPECT);
        check("GET /volumes/data", FILTER_DOCKER_INSPECT);
        check("GET /containers/4f/logs?follow=1&stdout=1&stderr=1&tail=all", FILTER_DOCKER_LOGS);
        check("GET /libpod/containers/4f/logs?stdout=true", FILTER_DOCKER_LOGS);
}

/* Not even in the widest profile. */
static void test_what_needs_full_access(void **state) {
        static const char *const starts[] = {
                "GET /containers/a/archive?path=/etc/shadow",
                "HEAD /containers/a/archive?path=/etc/shadow",
                "GET /containers/a/export",
                "GET /containers/a/attach/ws?stdin=1",
                "GET /containers/a/top",
                "GET /containers/a/changes",
                "GET /exec/a/json",
                "GET /images/get?names=a",
                "GET /images/a/get",
                "GET /images/docker.io/a/get",
                "GET /images/search?term=a",
                "GET /swarm",
                "GET /swarm/unlockkey",
                "GET /secrets",
                "GET /secrets/a",
                "GET /configs/a",
                "GET /services",
                "GET /tasks",
                "GET /nodes",
                "GET /services/a/logs",
                "GET /distribution/a/json",
                "GET /session",
                "GET /grpc",
                "GET /libpod/containers/a/archive?path=/",
                "GET /libpod/containers/a/export",
                "GET /libpod/volumes/a/export",
                "GET /libpod/secrets/a/json?showsecret=true",
                "GET /libpod/secrets/json",
                "GET /libpod/generate/a/kube",
                "GET /libpod/generate/kube?names=a",
                "GET /libpod/generate/a/systemd",
                "GET /libpod/images/export?references=a",
                "GET /libpod/play/kube",
                "GET /libpod/containers/a/top",
                "GET /libpod/pods/a/top",
                "GET /debug/pprof/heap",
        };

        for (size_t i = 0; i < ELEMENTSOF(starts); i++)
                if (judge_at(starts[i], FILTER_DOCKER_LOGS) != DOCKER_ROUTE_E_NONE)
                        fail_msg("%s is let through", starts[i]);
}

/* A pattern is a whole path, and not what one begins or ends with. */
static void test_prefix_match(void **state) {
        static const char *const starts[] = {
                "GET /_pingx",
                "GET /_ping/x",
                "GET /x/_ping",
                "GET /version/x",
                "GET /containers/json/x",
                "GET /containers/a/jsonx",
                "GET /containers/a/b/json",
                "GET /containers/a/json/archive",
                "GET /containers",
                "GET /images/json/get",
                "GET /images/a/json/get",
                "GET /v1.41",
                "GET /v1.41/v1.41/version",
                "GET /v/version",
                "GET /v1.41x/version",
                "GET /version/v1.41",
                "GET /libpod",
                "GET /libpod/v1.41/version",
                "GET /libpod/networks",
                "GET /networks/a/b",
                "GET /Containers/json",
        };

        for (size_t i = 0; i < ELEMENTSOF(starts); i++)
                if (judge_at(starts[i], FILTER_DOCKER_LOGS) != DOCKER_ROUTE_E_NONE)
                        fail_msg("%s is let through", starts[i]);
}

static void test_head(void **state) {
        assert_int_equal(judge_at("HEAD /containers/a/json", FILTER_DOCKER_LOGS),
                         DOCKER_ROUTE_E_NONE);
        assert_int_equal(judge_at("HEAD /info", FILTER_DOCKER_LOGS), DOCKER_ROUTE_E_NONE);
}

static void test_parameters(void **state) {
        static const char *const starts[] = {
                "GET /_ping?a=b",
                "GET /containers/json?al=1",
                "GET /containers/json?ALL=1",
                "GET /containers/a/logs?details=1",
                "GET /containers/json?all=1&showsecret=true",
                "GET /containers/json?limit=1&limi=1",
                "GET /volumes/a?export=1",
        };

        for (size_t i = 0; i < ELEMENTSOF(starts); i++)
                if (judge_at(starts[i], FILTER_DOCKER_LOGS) != DOCKER_ROUTE_E_PARAMETER)
                        fail_msg("%s is let through", starts[i]);
        assert_int_equal(
                judge_at("GET /containers/json?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D",
                         FILTER_DOCKER_LOGS),
                DOCKER_ROUTE_E_FILTER);
        assert_int_equal(judge_at("GET /containers/json?filters=%7B%22label%22%3A%5B%22a%22%5D%7D",
                                  FILTER_DOCKER_STATUS),
                         0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_profiles),     cmocka_unit_test(test_what_needs_full_access),
                cmocka_unit_test(test_prefix_match), cmocka_unit_test(test_head),
                cmocka_unit_test(test_parameters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
