/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/filter-session.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: d\r\n\r\n"
#define JSON(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" body

typedef struct Fixture {
        FilterSession session;
        char to_client[65536]; /* what either has been sent, and has not been looked at */
        char to_service[65536];
        size_t n; /* how much is read at a time */
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
        f->n = SIZE_MAX;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        free(*state);
        return 0;
}

static void send_all(Fixture *f) {
        const char *data;
        size_t n;

        while ((n = filter_session_client_output(&f->session, &data)) > 0) {
                (void)strncat(f->to_client, data, n);
                filter_session_client_sent(&f->session, n);
        }
        while ((n = filter_session_service_output(&f->session, &data)) > 0) {
                (void)strncat(f->to_service, data, n);
                filter_session_service_sent(&f->session, n);
        }
}

typedef size_t (*RoomFunc)(FilterSession *session, char **ret);
typedef void (*ReadFunc)(FilterSession *session, size_t n);

/* How much of it was wanted. */
static size_t feed(Fixture *f, RoomFunc room, ReadFunc read, const char *text, size_t size) {
        size_t i = 0, n;
        char *buf;

        send_all(f);
        while (i < size && (n = room(&f->session, &buf)) > 0) {
                if (n > size - i)
                        n = size - i;
                if (n > f->n)
                        n = f->n;
                memcpy(buf, text + i, n);
                read(&f->session, n);
                i += n;
                send_all(f);
        }
        return i;
}

static size_t client_says(Fixture *f, const char *text) {
        return feed(f, filter_session_client_room, filter_session_client_read, text, strlen(text));
}

static size_t service_says(Fixture *f, const char *text) {
        return feed(f, filter_session_service_room, filter_session_service_read, text,
                    strlen(text));
}

static void assert_text(char *buf, const char *expected) {
        assert_string_equal(buf, expected);
        buf[0] = 0;
}

static void assert_asked(Fixture *f, const char *path) {
        char expected[512];

        (void)snprintf(expected, sizeof(expected),
                       "GET %s HTTP/1.1\r\nHost: doorward\r\nUser-Agent: doorward-filter\r\n"
                       "Accept: application/json\r\nAccept-Encoding: identity\r\n\r\n",
                       path);
        assert_text(f->to_service, expected);
}

/* The answer's status, and something of what it says; the service has not been asked. */
static void assert_refused(Fixture *f, const char *status, const char *text) {
        char expected[64];

        (void)snprintf(expected, sizeof(expected), "HTTP/1.1 %s", status);
        if (strncmp(f->to_client, expected, strlen(expected)) != 0 || !strstr(f->to_client, text))
                fail_msg("not refused by %s and \"%s\": %s", status, text, f->to_client);
        assert_string_equal(f->to_service, "");
        f->to_client[0] = 0;
}

static void test_requests_in_a_row(void **state) {
        Fixture *f = *state;

        /* However the bytes come. */
        for (f->n = 1; f->n < 200; f->n += 7) {
                client_says(f, REQUEST("/v1.41/containers/json?all=1"));
                assert_asked(f, "/v1.41/containers/json?all=1");
                service_says(f, JSON("Api-Version: 1.41\r\nX-Other: a\r\nContent-Length: 35\r\n\r\n"
                                     "[{\"Id\":\"4f\",\"Command\":\"sh secret\"}]"));
                assert_int_equal(f->session.state, FILTER_SESSION_REQUEST);
                assert_non_null(strstr(f->to_client, "\r\nApi-Version: 1.41\r\n"));
                assert_null(strstr(f->to_client, "X-Other"));
                assert_null(strstr(f->to_client, "secret"));
                f->to_client[0] = 0;
        }
        f->n = SIZE_MAX;

        client_says(f, REQUEST("/_ping"));
        assert_asked(f, "/_ping");
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\n"
                        "Content-Length: 2\r\n\r\nOK");
        assert_text(f->to_client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n0002\r\nOK\r\n0\r\n\r\n");
        client_says(f, "HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_int_equal(strncmp(f->to_service, "HEAD /_ping ", 12), 0);
        service_says(f, "HTTP/1.1 200 OK\r\nOstype: linux\r\nContent-Length: 2\r\n\r\n");
        assert_text(f->to_client, "HTTP/1.1 200 OK\r\nOstype: linux\r\n\r\n");
        assert_int_equal(f->session.state, FILTER_SESSION_REQUEST);
}

static void test_redaction(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/containers/json"));
        assert_asked(f, "/containers/json");
        service_says(f, JSON("Transfer-Encoding: chunked\r\nX-Secret: secret\r\n\r\n"
                             "13\r\n[{\"Id\":\"4f\",\"Comman\r\n11\r\nd\":\"sh -c secret\"\r\n"
                             "2\r\n}]\r\n0\r\nX-Trailer: secret\r\n\r\n"));
        assert_text(f->to_client, JSON("Transfer-Encoding: chunked\r\n\r\n"
                                       "0013\r\n[{\"Id\":\"4f\",\"Comman\r\n"
                                       "0019\r\nd\":\"(hidden by doorward)\"\r\n"
                                       "0002\r\n}]\r\n0\r\n\r\n"));
        assert_int_equal(f->session.state, FILTER_SESSION_REQUEST);
}

/* Errors of the service are JSON, too, whatever the question was. */
static void test_errors_of_the_service(void **state) {
        Fixture *f = *state;

        f->session.profile = FILTER_DOCKER_LOGS;
        client_says(f, REQUEST("/containers/a/logs?stdout=1"));
        f->to_service[0] = 0;
        service_says(f,
                     "HTTP/1.1 404 Not Found\r\nContent-Type: application/json; charset=utf-8\r\n"
                     "Content-Length: 38\r\n\r\n{\"message\":\"No such\",\"Env\":[\"secret\"]}");
        assert_non_null(strstr(f->to_client, "HTTP/1.1 404 Not Found\r\n"));
        assert_non_null(strstr(f->to_client, "{\"message\":\"No such\",\"Env\":[\"(hidden by"));
        assert_null(strstr(f->to_client, "secret"));
        f->to_client[0] = 0;

        client_says(f, REQUEST("/libpod/images/a/exists"));
        f->to_service[0] = 0;
        service_says(f, "HTTP/1.1 204 No Content\r\nServer: Libpod\r\n\r\n");
        assert_text(f->to_client, "HTTP/1.1 204 No Content\r\nServer: Libpod\r\n\r\n");
        client_says(f, REQUEST("/info"));
        f->to_service[0] = 0;
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_text(f->to_client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_int_equal(f->session.state, FILTER_SESSION_REQUEST);
}

static void test_logs_are_passed_as_they_are(void **state) {
        Fixture *f = *state;

        f->session.profile = FILTER_DOCKER_LOGS;
        client_says(f, REQUEST("/containers/a/logs?follow=1&stdout=1"));
        assert_asked(f, "/containers/a/logs?follow=1&stdout=1");
        service_says(f, "HTTP/1.1 200 OK\r\n\r\n\x01{\"Env\"");
        service_says(f, "more");
        assert_text(f->to_client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                  "Connection: close\r\n\r\n"
                                  "0007\r\n\x01{\"Env\"\r\n0004\r\nmore\r\n");
        filter_session_service_read(&f->session, 0);
        send_all(f);
        assert_text(f->to_client, "0\r\n\r\n");
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

static void test_events(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/events"));
        assert_asked(f, "/events");
        service_says(f, JSON("Transfer-Encoding: chunked\r\n\r\n"));
        assert_text(f->to_client, JSON("Transfer-Encoding: chunked\r\n\r\n"));
        for (int i = 0; i < 3; i++) {
                service_says(f, "13\r\n{\"Action\":\"start\"}\n\r\n");
                assert_text(f->to_client, "0013\r\n{\"Action\":\"start\"}\n\r\n");
        }
        assert_int_equal(f->session.state, FILTER_SESSION_BODY);
}

/* A refused one is no reason to hang up: the next one may be another. */
static void test_refusals(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/containers/a/json"));
        assert_refused(f, "403",
                       "doorward: the read-only view 'status' of docker does not pass GET "
                       "/containers/a/json. The profile 'inspect' does: an administrator "
                       "can set 'Filter=docker inspect'. Full access is: doorward run "
                       "docker -- COMMAND");
        client_says(f, REQUEST("/containers/a/export"));
        assert_refused(f, "403",
                       "does not pass GET /containers/a/export. Full access is: doorward "
                       "run docker -- COMMAND\",\"response\":403}");
        client_says(f, REQUEST("/containers/json?nosuch=1"));
        assert_refused(f, "403", "with this parameter: nosuch");
        client_says(f, REQUEST("/containers/json?filters=%7B%22label%22:%5B%22a%3Db%22%5D%7D"));
        assert_refused(f, "403", "the value of a label");
        client_says(f, "HEAD /info HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_null(strstr(f->to_client, "{"));
        assert_refused(f, "403", "Content-Length: ");
        client_says(f, REQUEST("/_ping"));
        assert_asked(f, "/_ping");
}

static void test_last_refusals(void **state) {
        static const char *const requests[][3] = {
                {"POST /containers/create?name=x HTTP/1.1\r\nHost: d\r\nContent-Length: "
                 "2\r\n\r\n{}",
                 "403", "does not pass POST /containers/create. Full access is"},
                {"DELETE /containers/a HTTP/1.1\r\nHost: d\r\n\r\n", "403", "DELETE /containers/a"},
                {REQUEST("/containers//json"), "400", "more than one way"},
                {"GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\n", "400", "a body"},
                {"GET /_ping HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n", "403", "protocol"},
                {"GET /_ping HTTP/1.0\r\nHost: d\r\n\r\n", "505", "HTTP/1.1"},
                {"GET /_ping HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\n\r\n", "417",
                 "expects"},
                {"GET /_ping HTTP/1.1\r\n\r\n", "400", "not well-formed"},
                {"GET /\"\\ HTTP/1.1\r\nHost : d\r\n\r\n", "400", "pass a request, which"},
                {"\x16\x03\x01", "400", "pass a request, which is not well-formed"},
                {"GET /_ping HTTP/1.1\n", "400", "not well-formed"},
        };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                Fixture *f = *state;

                filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
                client_says(f, requests[i][0]);
                assert_non_null(strstr(f->to_client, "Connection: close\r\n"));
                assert_refused(f, requests[i][1], requests[i][2]);
                assert_int_equal(f->session.state, FILTER_SESSION_LINGER);
                client_says(f, REQUEST("/_ping"));
                assert_text(f->to_client, "");
                assert_text(f->to_service, "");
                filter_session_client_read(&f->session, 0);
                assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
        }
}

static void test_long_head(void **state) {
        char text[HTTP_HEAD_MAX + 1] = "GET /";
        Fixture *f = *state;

        memset(text + 5, 'a', sizeof(text) - 6);
        client_says(f, text);
        assert_refused(f, "431", "longer than 8 KiB");
}

/* A body of more than a megabyte is not held, nor is its end waited for. */
static void test_body_of_two_megabytes(void **state) {
        char block[1024] = "";
        Fixture *f = *state;
        size_t n = 0;

        memset(block, 'x', sizeof(block) - 1);
        client_says(
                f,
                "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2097152\r\n\r\n");
        assert_refused(f, "403", "POST /containers/create");
        for (int i = 0; i < 2100; i++)
                assert_int_equal(client_says(f, block), sizeof(block) - 1);
        assert_int_equal(f->session.state, FILTER_SESSION_LINGER);

        while (f->session.state == FILTER_SESSION_LINGER && n < 2 * FILTER_LINGER_MAX)
                n += client_says(f, block);
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
        assert_true(n <= FILTER_LINGER_MAX);
        assert_string_equal(f->to_service, "");
}

/* It waits for its turn, and is judged then. */
static void test_pipelining(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/_ping") REQUEST("/containers/a/export") REQUEST("/version"));
        assert_asked(f, "/_ping");
        assert_int_equal(client_says(f, "GET"), 0);
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nO");
        assert_text(f->to_service, "");
        service_says(f, "K");
        assert_non_null(strstr(f->to_client, "K\r\n0\r\n\r\nHTTP/1.1 403"));
        assert_asked(f, "/version");
}

static void test_half_close(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/_ping"));
        filter_session_client_read(&f->session, 0);
        assert_int_equal(f->session.state, FILTER_SESSION_ANSWER);
        assert_asked(f, "/_ping");
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        assert_non_null(strstr(f->to_client, "OK\r\n0\r\n\r\n"));
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

static void test_close(void **state) {
        Fixture *f = *state;

        client_says(f, "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
        assert_asked(f, "/_ping");
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        assert_text(f->to_client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                  "Connection: close\r\n\r\n0002\r\nOK\r\n0\r\n\r\n");
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

/* What cannot be looked into is not passed. */
static void test_answers_that_are_refused(void **state) {
        static const char *const answers[] = {
                JSON("Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"),
                JSON("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
                "HTTP/1.1 200 OK\r\nContent-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}",
                "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",
                "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\n",
                "HTTP/1.0 200 OK\r\n\r\n",
                "secret\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                Fixture *f = *state;

                filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
                client_says(f, REQUEST("/info"));
                assert_asked(f, "/info");
                service_says(f, answers[i]);
                assert_refused(f, "502", "nothing can be hidden");
                assert_int_equal(f->session.state, FILTER_SESSION_LINGER);
        }
}

/* What was no JSON is cut, so that the client can tell. */
static void test_answers_that_are_cut(void **state) {
        static const char *const bodies[] = {
                "Content-Length: 9\r\n\r\n{\"a\":1}{}",
                "Content-Length: 8\r\n\r\n{\"a\":1,}",
                "Content-Length: 3\r\n\r\n[1 ",
                "Content-Length: 1\r\n\r\n{",
                "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\nx",
        };

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
                char answer[256];
                Fixture *f = *state;

                filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
                client_says(f, REQUEST("/info"));
                f->to_service[0] = 0;
                (void)snprintf(answer, sizeof(answer), JSON("%s"), bodies[i]);
                service_says(f, answer);
                assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
                assert_null(strstr(f->to_client, "0\r\n\r\n"));
                f->to_client[0] = 0;
        }
}

/* Whatever it says of its type, or not. */
static void test_answer_without_a_type(void **state) {
        Fixture *f = *state;

        client_says(f, REQUEST("/info"));
        assert_asked(f, "/info");
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"Env\":\"secret\"}");
        assert_non_null(strstr(f->to_client, "{\"Env\":\"(hidden by doorward)\"}"));
        assert_int_equal(f->session.state, FILTER_SESSION_REQUEST);

        client_says(f, REQUEST("/info"));
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nEnv=secret");
        assert_null(strstr(f->to_client, "=secret"));
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

static void test_service_hangs_up(void **state) {
        Fixture *f = *state;

        /* While nothing is asked. */
        filter_session_service_read(&f->session, 0);
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);

        /* Before it has answered: nothing is said, so that the client tries again. */
        filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
        client_says(f, REQUEST("/info"));
        filter_session_service_read(&f->session, 0);
        assert_text(f->to_client, "");
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);

        /* In the middle. */
        filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
        client_says(f, REQUEST("/info"));
        service_says(f, JSON("Content-Length: 3\r\n\r\n{}"));
        filter_session_service_read(&f->session, 0);
        send_all(f);
        assert_null(strstr(f->to_client, "0\r\n\r\n"));
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

/* It speaks without having been asked. */
static void test_unsolicited_answer(void **state) {
        Fixture *f = *state;

        service_says(f, "HTTP/1.1 200 OK\r\n\r\n");
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);

        filter_session_init(&f->session, "docker", FILTER_DOCKER_STATUS);
        client_says(f, REQUEST("/_ping"));
        service_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 200 OK\r\n\r\n");
        assert_null(strstr(f->to_client, "0\r\n\r\nH"));
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
}

/* What a client has sent ahead is not refused any sooner than it reads. */
static void test_refusals_that_are_not_read(void **state) {
        static const char request[] = REQUEST("/swarm");
        Fixture *f = *state;
        const char *data;
        size_t n = 0;
        char *buf;

        assert_int_equal(filter_session_client_room(&f->session, &buf), HTTP_HEAD_MAX);
        for (; n + strlen(request) <= HTTP_HEAD_MAX; n += strlen(request))
                memcpy(buf + n, request, strlen(request));
        filter_session_client_read(&f->session, n);
        for (size_t i = 0; i < n / strlen(request); i++) {
                size_t left = filter_session_client_output(&f->session, &data);

                assert_true(left > 0 && left <= DOCKER_REFUSAL_MAX);
                assert_int_equal(strncmp(data, "HTTP/1.1 403", 12), 0);
                filter_session_client_sent(&f->session, left);
        }
        assert_int_equal(filter_session_client_output(&f->session, &data), 0);
        assert_true(filter_session_client_room(&f->session, &buf) > 0);
}

/* The bodies of the chunks that the client has got, behind the head. */
static void assert_body(Fixture *f, const char *expected, size_t size) {
        char *data = strstr(f->to_client, "\r\n\r\n") + 4;
        size_t left = strlen(data), used = 0;
        HttpBody body = {.frame = HTTP_FRAME_CHUNKED, .state = HTTP_BODY_SIZE};

        while (!http_body_is_done(&body)) {
                const char *piece;
                size_t n;
                ssize_t taken = http_body_take(&body, data, left, &piece, &n);

                assert_true(taken > 0 && used + n <= size);
                if (n > 0)
                        assert_memory_equal(piece, expected + used, n);
                used += n;
                data += taken;
                left -= (size_t)taken;
        }
        assert_int_equal(used, size);
}

/* A client that does not read stops the service, and nothing is lost. */
static void test_back_pressure(void **state) {
        static char body[49152 + 1];
        size_t taken = 0, n;
        Fixture *f = *state;
        const char *data;
        char *buf;

        for (size_t i = 0; i + 8 < sizeof(body); i += 8)
                (void)snprintf(body + i, 9, "%c%7u", i > 0 ? ',' : '[', (unsigned)(1000000 + i));
        body[sizeof(body) - 2] = ']';
        client_says(f, REQUEST("/info"));
        service_says(f, JSON("\r\n"));
        while ((n = filter_session_service_room(&f->session, &buf)) > 0) {
                n = n < 1000 ? n : 1000;
                assert_true(taken + n < sizeof(body));
                memcpy(buf, body + taken, n);
                filter_session_service_read(&f->session, n);
                taken += n;
        }
        assert_true(taken > FILTER_CLIENT_BUFFER);
        assert_true(filter_session_client_output(&f->session, &data) <= FILTER_CLIENT_BUFFER);

        service_says(f, body + taken);
        filter_session_service_read(&f->session, 0);
        send_all(f);
        assert_int_equal(f->session.state, FILTER_SESSION_ENDED);
        assert_body(f, body, sizeof(body) - 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_requests_in_a_row),
                TEST(test_redaction),
                TEST(test_errors_of_the_service),
                TEST(test_logs_are_passed_as_they_are),
                TEST(test_events),
                TEST(test_refusals),
                TEST(test_last_refusals),
                TEST(test_long_head),
                TEST(test_body_of_two_megabytes),
                TEST(test_pipelining),
                TEST(test_half_close),
                TEST(test_close),
                TEST(test_answers_that_are_refused),
                TEST(test_answers_that_are_cut),
                TEST(test_answer_without_a_type),
                TEST(test_service_hangs_up),
                TEST(test_unsolicited_answer),
                TEST(test_refusals_that_are_not_read),
                TEST(test_back_pressure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
