/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client and a service that say anything, in pieces of any size, in any order
 *
 * The first bytes say in which: each is whose turn it is, and how much is said. After 0xff in the
 * data the client's part is over and the service's begins.
 *
 * Whatever they say, the service hears whole requests that the profile lets through, and the client
 * nothing of a value that is to be hidden: where the service says MARK, it is as the value of "Env"
 * only.
 */

#include <string.h>
#include <sys/types.h>

#include "helpers/filter-session.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 64
/* No head may have that byte, so it does not stand in one. */
#define MARK "M\x80RK"

static FilterSession session;
static char to_service[4 * HTTP_REQUEST_MAX];
static size_t n_to_service;
static char tail[sizeof(MARK)]; /* the last bytes that the client has got */
static bool plain;              /* something was asked for that is passed as it is */

static void check_requests(void) {
        while (n_to_service > 0) {
                ssize_t n = http_head_find_end(to_service, n_to_service);
                const char *method, *target, *detail;
                char head[HTTP_REQUEST_MAX];
                static HttpRequest request;
                FilterProfile wanted;
                DockerBody body;

                /* A long query is longer than what is read. */
                if (n == -EMSGSIZE) {
                        n_to_service = 0;
                        return;
                }
                PROMISE(n >= 0);
                if (n == 0)
                        return;
                memcpy(head, to_service, (size_t)n);
                PROMISE(http_request_parse(head, (size_t)n, &request, &method, &target) == 0);
                PROMISE(docker_route_judge(&request, session.profile, &body, &wanted, &detail) ==
                        0);
                plain |= body == DOCKER_BODY_PLAIN;
                n_to_service -= (size_t)n;
                memmove(to_service, to_service + n, n_to_service);
        }
}

static void check_client(const char *data, size_t n) {
        for (size_t i = 0; i < n; i++) {
                memmove(tail, tail + 1, strlen(MARK) - 1);
                tail[strlen(MARK) - 1] = data[i];
                PROMISE(plain || memcmp(tail, MARK, strlen(MARK)) != 0);
        }
}

static void send_some(size_t most) {
        const char *data;
        size_t n;

        n = filter_session_client_output(&session, &data);
        PROMISE(n <= FILTER_CLIENT_BUFFER);
        n = n < most ? n : most;
        check_client(data, n);
        filter_session_client_sent(&session, n);

        n = filter_session_service_output(&session, &data);
        PROMISE(n <= HTTP_REQUEST_MAX);
        n = n < most ? n : most;
        if (n_to_service + n > sizeof(to_service))
                n_to_service = 0;
        memcpy(to_service + n_to_service, data, n);
        n_to_service += n;
        filter_session_service_sent(&session, n);
        check_requests();
}

static void feed(const uint8_t **data, size_t *size, size_t most, bool client) {
        char *buf;
        size_t room = client ? filter_session_client_room(&session, &buf)
                             : filter_session_service_room(&session, &buf);
        size_t n = most < room ? most : room;

        if (room == 0)
                return;
        n = n < *size ? n : *size;
        if (n == 0 && *size > 0)
                return;
        memcpy(buf, *data, n);
        *data += n;
        *size -= n;
        if (client)
                filter_session_client_read(&session, n);
        else
                filter_session_service_read(&session, n);
}

/* Whether the mark stands nowhere but where it is to be hidden, in one piece. */
static bool marks_are_hidden(const uint8_t *data, size_t size) {
        static const char hidden[] = "{\"Env\":\"" MARK "\"}";
        const uint8_t *end = data + size, *found;

        while ((found = memmem(data, (size_t)(end - data), MARK, strlen(MARK)))) {
                if (found - data < 8 || end - found < 6 ||
                    memcmp(found - 8, hidden, strlen(hidden)) != 0)
                        return false;
                data = found + 6;
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *turns = data, *from_client, *from_service;
        size_t n_client, n_service;

        if (size < TURNS + 1)
                return 0;
        from_client = data + TURNS + 1;
        n_client = size - TURNS - 1;
        from_service = memchr(from_client, 0xff, n_client);
        if (!from_service)
                return 0;
        n_client = (size_t)(from_service - from_client);
        from_service++;
        n_service = size - TURNS - 2 - n_client;
        if (!marks_are_hidden(from_service, n_service) ||
            memmem(from_client, n_client, MARK, strlen(MARK)))
                return 0;

        n_to_service = 0;
        plain = false;
        memset(tail, 0, sizeof(tail));
        /* Logs are passed as they are: that profile would show the mark. */
        filter_session_init(&session, "docker",
                            data[TURNS] & 1 ? FILTER_DOCKER_INSPECT : FILTER_DOCKER_STATUS);
        for (size_t i = 0; i < 4 * TURNS && session.state != FILTER_SESSION_ENDED; i++) {
                uint8_t turn = turns[i % TURNS];
                size_t most = turn & 0x40 ? SIZE_MAX : turn & 0x3f;

                if (turn & 0x80)
                        feed(&from_client, &n_client, most, true);
                else
                        feed(&from_service, &n_service, most, false);
                send_some(turn & 1 ? SIZE_MAX : 3);
        }
        return 0;
}
