/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <strings.h>
#include <sys/types.h>

#include "helpers/filter-session.h"

/* What of an answer's head is passed on: by which clients tell whom they talk to. */
static const char *const fields[] = {
        "Api-Version",
        "Buildkit-Version",
        "Builder-Version",
        "Content-Type",
        "Date",
        "Docker-Experimental",
        "Libpod-Api-Version",
        "Libpod-Buildah-Version",
        "Ostype",
        "Server",
        "Swarm",
};

#define FIELD_VALUE_MAX 128
/* "1f40\r\n" before, "\r\n" behind, and "0\r\n\r\n" as the last of all. */
#define CHUNK_BEGIN 6
#define CHUNK_END 2
#define CHUNK_LAST "0\r\n\r\n"

static bool buffer_is_empty(const FilterBuffer *buffer) {
        return buffer->start == buffer->end;
}

static size_t buffer_get_used(const FilterBuffer *buffer) {
        return buffer->end - buffer->start;
}

static void buffer_take(FilterBuffer *buffer, size_t n) {
        buffer->start += n;
        if (buffer_is_empty(buffer))
                buffer->start = buffer->end = 0;
}

/* Room at the end, of which there is more once what is in it stands at the beginning. */
static size_t buffer_get_room(FilterBuffer *buffer, char **ret) {
        if (buffer->start > 0) {
                memmove(buffer->data, buffer->data + buffer->start, buffer_get_used(buffer));
                buffer->end -= buffer->start;
                buffer->start = 0;
        }
        *ret = buffer->data + buffer->end;
        return buffer->size - buffer->end;
}

void filter_session_init(FilterSession *session, const char *endpoint, FilterProfile profile) {
        session->endpoint = endpoint;
        session->profile = profile;
        session->state = FILTER_SESSION_REQUEST;
        session->from_client = (FilterBuffer){session->client_head, HTTP_HEAD_MAX, 0, 0};
        session->to_service = (FilterBuffer){session->service_head, HTTP_REQUEST_MAX, 0, 0};
        session->from_service = (FilterBuffer){session->answer, FILTER_ANSWER_BUFFER, 0, 0};
        session->to_client = (FilterBuffer){session->output, FILTER_CLIENT_BUFFER, 0, 0};
        session->client_ended = session->service_ended = false;
        session->lingered = session->n_piece = 0;
}

static void session_refuse(FilterSession *session, DockerRefusal refusal, const char *detail,
                           bool closes) {
        DockerRefusalContext context = {
                .endpoint = session->endpoint,
                .profile = filter_profile_get_names("docker")[session->profile - 1],
                .asked = session->asked,
                .detail = detail,
                .head = session->request.head,
                .closes = closes,
        };
        char *room;

        (void)buffer_get_room(&session->to_client, &room);
        session->to_client.end += docker_refusal_format(refusal, &context, room);
        session->state = closes ? FILTER_SESSION_LINGER : FILTER_SESSION_REQUEST;
}

/* The request is not as it has to be. Where it ends is not to be known then, so it is the last. */
static void session_refuse_form(FilterSession *session, int error) {
        static const DockerRefusal refusals[] = {
                [HTTP_REQUEST_E_MALFORMED] = DOCKER_REFUSAL_MALFORMED,
                [HTTP_REQUEST_E_METHOD] = DOCKER_REFUSAL_NONE,
                [HTTP_REQUEST_E_TARGET] = DOCKER_REFUSAL_TARGET,
                [HTTP_REQUEST_E_BODY] = DOCKER_REFUSAL_BODY,
                [HTTP_REQUEST_E_UPGRADE] = DOCKER_REFUSAL_UPGRADE,
                [HTTP_REQUEST_E_VERSION] = DOCKER_REFUSAL_VERSION,
                [HTTP_REQUEST_E_EXPECT] = DOCKER_REFUSAL_EXPECT,
        };

        session_refuse(session, refusals[error], NULL, true);
}

/* A whole one that this view does not have: the next may be another. */
static void session_refuse_route(FilterSession *session, int error, FilterProfile wanted,
                                 const char *detail) {
        DockerRefusal refusal = DOCKER_REFUSAL_NONE;

        if (error == DOCKER_ROUTE_E_PROFILE) {
                refusal = DOCKER_REFUSAL_PROFILE;
                detail = filter_profile_get_names("docker")[wanted - 1];
        } else if (error == DOCKER_ROUTE_E_PARAMETER)
                refusal = DOCKER_REFUSAL_PARAMETER;
        else if (error == DOCKER_ROUTE_E_FILTER)
                refusal = DOCKER_REFUSAL_FILTER;
        session_refuse(session, refusal, detail, session->request.closes);
}

static void session_judge(FilterSession *session) {
        FilterBuffer *to = &session->to_service;
        FilterProfile wanted = session->profile;
        const char *detail = NULL;
        ssize_t n;
        int r;

        r = docker_route_judge(&session->request, session->profile, &session->body_kind, &wanted,
                               &detail);
        if (r != 0) {
                session_refuse_route(session, r, wanted, detail);
                return;
        }

        n = http_request_format(&session->request, to->data, to->size);
        to->start = 0;
        to->end = n < 0 ? 0 : (size_t)n;
        session->closes = session->request.closes;
        session->state = n < 0 ? FILTER_SESSION_ENDED : FILTER_SESSION_ANSWER;
}

/* Each of these returns whether it got any further. */
static bool session_take_request(FilterSession *session) {
        FilterBuffer *from = &session->from_client;
        char *head = from->data + from->start;
        const char *method, *target;
        ssize_t n;
        int r;

        /* It speaks without having been asked, or has not been told all that it has answered. */
        if (session->service_ended || !buffer_is_empty(&session->from_service) ||
            !buffer_is_empty(&session->to_service)) {
                session->state = FILTER_SESSION_FLUSH;
                return true;
        }
        if (!buffer_is_empty(&session->to_client))
                return false;

        n = http_head_find_end(head, buffer_get_used(from));
        if (n == 0 && session->client_ended)
                session->state = FILTER_SESSION_ENDED;
        if (n == 0)
                return false;

        session->request.head = false;
        docker_refusal_describe("", "", session->asked);
        if (n < 0) {
                session_refuse(session,
                               n == -EMSGSIZE ? DOCKER_REFUSAL_TOO_LONG : DOCKER_REFUSAL_MALFORMED,
                               NULL, true);
                return true;
        }

        r = http_request_parse(head, (size_t)n, &session->request, &method, &target);
        docker_refusal_describe(method, target, session->asked);
        if (r != 0)
                session_refuse_form(session, r);
        else
                session_judge(session);
        buffer_take(from, (size_t)n);
        return true;
}

static void put(FilterBuffer *buffer, const char *text, size_t n) {
        memcpy(buffer->data + buffer->end, text, n);
        buffer->end += n;
}

static void put_text(FilterBuffer *buffer, const char *text) {
        put(buffer, text, strlen(text));
}

/* The buffer is empty, and has room for it: some fields of limited length. */
static void session_put_head(FilterSession *session, const HttpAnswer *answer) {
        FilterBuffer *to = &session->to_client;
        char line[256];

        (void)snprintf(line, sizeof(line), "HTTP/1.1 %.64s\r\n", answer->head.start + 9);
        put_text(to, line);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                const char *value;

                if (http_head_find(&answer->head, fields[i], &value) != 1 ||
                    strlen(value) > FIELD_VALUE_MAX)
                        continue;
                (void)snprintf(line, sizeof(line), "%s: %s\r\n", fields[i], value);
                put_text(to, line);
        }

        if (session->chunked)
                put_text(to, "Transfer-Encoding: chunked\r\n");
        else if (answer->body.frame != HTTP_FRAME_NONE)
                put_text(to, "Content-Length: 0\r\n");
        put_text(to, session->closes ? "Connection: close\r\n\r\n" : "\r\n");
}

/* How the body is to be passed on, or -EPROTONOSUPPORT if it cannot be. */
static int session_choose(FilterSession *session, const HttpAnswer *answer) {
        bool success = answer->status < 300;
        size_t n = answer->content_type ? strcspn(answer->content_type, " \t;") : 0;

        session->redacts = false;
        if (http_body_is_done(&answer->body))
                return 0;
        if (success &&
            (session->body_kind == DOCKER_BODY_PLAIN || session->body_kind == DOCKER_BODY_LOGS))
                return 0;
        /* Podman does not always say. What it is not, is cut. */
        if (answer->content_type && !http_word_is(answer->content_type, n, "application/json"))
                return -EPROTONOSUPPORT;

        session->redacts = true;
        redactor_init(&session->redactor, success && session->body_kind == DOCKER_BODY_EVENTS);
        return 0;
}

static bool session_take_answer(FilterSession *session) {
        FilterBuffer *from = &session->from_service;
        HttpAnswer answer;
        ssize_t n;
        int r;

        n = http_head_find_end(from->data + from->start, buffer_get_used(from));
        if (n == 0) {
                /* It may have hung up before it had the request: nothing is said, so that the
                 * client may try again. */
                if (session->service_ended)
                        session->state = FILTER_SESSION_ENDED;
                return false;
        }

        r = n < 0 ? (int)n
                  : http_answer_parse(from->data + from->start, (size_t)n, session->request.head,
                                      &answer);
        if (r == 0)
                r = session_choose(session, &answer);
        if (r < 0) {
                session_refuse(session, DOCKER_REFUSAL_ANSWER, NULL, true);
                return true;
        }

        session->body = answer.body;
        session->closes = session->closes || answer.closes || answer.body.frame == HTTP_FRAME_CLOSE;
        session->chunked = !http_body_is_done(&answer.body);
        session_put_head(session, &answer);
        session->state = FILTER_SESSION_BODY;
        buffer_take(from, (size_t)n);
        return true;
}

/* As much of the piece as there is room for, in a chunk of its own. */
static bool session_pass_piece(FilterSession *session) {
        size_t taken = session->n_piece, written, room;
        FilterBuffer *to = &session->to_client;
        char *chunk, begin[CHUNK_BEGIN + 1];
        int r = 0;

        room = buffer_get_room(to, &chunk);
        if (room < CHUNK_BEGIN + REDACTOR_STEP + CHUNK_END + strlen(CHUNK_LAST))
                return false;
        room -= CHUNK_BEGIN + CHUNK_END + strlen(CHUNK_LAST);

        if (session->redacts)
                r = redactor_run(&session->redactor, session->piece, session->n_piece,
                                 chunk + CHUNK_BEGIN, room, &taken, &written);
        else {
                taken = written = taken < room ? taken : room;
                memcpy(chunk + CHUNK_BEGIN, session->piece, written);
        }

        if (written > 0) {
                (void)snprintf(begin, sizeof(begin), "%04x\r\n", (unsigned)(uint16_t)written);
                memcpy(chunk, begin, CHUNK_BEGIN);
                memcpy(chunk + CHUNK_BEGIN + written, "\r\n", CHUNK_END);
                to->end += CHUNK_BEGIN + written + CHUNK_END;
        }
        session->piece += taken;
        session->n_piece -= taken;
        /* What is no JSON ends here, and the client sees that it was cut. */
        if (r < 0)
                session->state = FILTER_SESSION_FLUSH;
        return true;
}

static void session_end_body(FilterSession *session) {
        bool whole = !session->redacts || redactor_finish(&session->redactor) == 0;

        if (whole && session->chunked)
                put_text(&session->to_client, CHUNK_LAST);
        session->state = whole && !session->closes ? FILTER_SESSION_REQUEST : FILTER_SESSION_FLUSH;
}

static bool session_take_body(FilterSession *session) {
        FilterBuffer *from = &session->from_service;
        ssize_t n;

        if (session->n_piece > 0)
                return session_pass_piece(session);
        if (http_body_is_done(&session->body)) {
                session_end_body(session);
                return true;
        }
        if (buffer_is_empty(from)) {
                if (!session->service_ended)
                        return false;
                if (http_body_hang_up(&session->body) < 0)
                        session->state = FILTER_SESSION_FLUSH;
                return true;
        }

        n = http_body_take(&session->body, from->data + from->start, buffer_get_used(from),
                           &session->piece, &session->n_piece);
        if (n < 0)
                session->state = FILTER_SESSION_FLUSH;
        else
                from->start += (size_t)n;
        return true;
}

static bool session_step(FilterSession *session) {
        switch (session->state) {
        case FILTER_SESSION_REQUEST:
                return session_take_request(session);
        case FILTER_SESSION_ANSWER:
                return session_take_answer(session);
        case FILTER_SESSION_BODY:
                return session_take_body(session);
        case FILTER_SESSION_LINGER:
                if (session->client_ended || session->lingered > FILTER_LINGER_MAX)
                        session->state = FILTER_SESSION_FLUSH;
                return session->state == FILTER_SESSION_FLUSH;
        case FILTER_SESSION_FLUSH:
                if (buffer_is_empty(&session->to_client))
                        session->state = FILTER_SESSION_ENDED;
                return false;
        case FILTER_SESSION_ENDED:
        default:
                return false;
        }
}

static void session_work(FilterSession *session) {
        while (session_step(session))
                ;
}

size_t filter_session_client_room(FilterSession *session, char **ret) {
        if (session->client_ended)
                return 0;
        if (session->state == FILTER_SESSION_LINGER) {
                *ret = session->from_client.data;
                return session->from_client.size;
        }
        if (session->state != FILTER_SESSION_REQUEST || !buffer_is_empty(&session->to_client))
                return 0;
        return buffer_get_room(&session->from_client, ret);
}

size_t filter_session_service_room(FilterSession *session, char **ret) {
        if (session->service_ended || session->n_piece > 0 ||
            session->state >= FILTER_SESSION_LINGER)
                return 0;
        return buffer_get_room(&session->from_service, ret);
}

void filter_session_client_read(FilterSession *session, size_t n) {
        if (n == 0)
                session->client_ended = true;
        else if (session->state == FILTER_SESSION_LINGER)
                session->lingered += n;
        else
                session->from_client.end += n;
        session_work(session);
}

void filter_session_service_read(FilterSession *session, size_t n) {
        if (n == 0)
                session->service_ended = true;
        session->from_service.end += n;
        session_work(session);
}

size_t filter_session_client_output(const FilterSession *session, const char **ret) {
        *ret = session->to_client.data + session->to_client.start;
        return buffer_get_used(&session->to_client);
}

size_t filter_session_service_output(const FilterSession *session, const char **ret) {
        *ret = session->to_service.data + session->to_service.start;
        return buffer_get_used(&session->to_service);
}

void filter_session_client_sent(FilterSession *session, size_t n) {
        buffer_take(&session->to_client, n);
        session_work(session);
}

void filter_session_service_sent(FilterSession *session, size_t n) {
        buffer_take(&session->to_service, n);
}
