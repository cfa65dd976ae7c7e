#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Session: a client's connection and the service's, and what of the one gets to the other
 *
 * One request at a time: what a client sends ahead waits until the answer before it is through.
 * What goes to the service is written here, and so is what goes to the client; the bytes of the one
 * never get to the other, but for the bodies of answers.
 *
 *   REQUEST   a head is awaited; a refusal is answered here, and the next one awaited
 *   ANSWER    the service has the request
 *   BODY      the answer's head is through
 *   LINGER    nothing is answered any more: what the client still sends is dropped, so that it gets
 *             to read what it was told
 *   FLUSH     what is there for the client is its last
 *   ENDED
 *
 * There is no I/O in here. Four buffers, of fixed size: whoever is slow slows the other side.
 */

#include "helpers/docker-refusal.h"
#include "helpers/docker-route.h"
#include "helpers/http-answer.h"
#include "helpers/redactor.h"

#define FILTER_ANSWER_BUFFER 16384
#define FILTER_CLIENT_BUFFER 32768
/* How much is dropped before a client that does not stop is hung up on. */
#define FILTER_LINGER_MAX (16U * 1024 * 1024)

typedef enum FilterSessionState {
        FILTER_SESSION_REQUEST = 1,
        FILTER_SESSION_ANSWER,
        FILTER_SESSION_BODY,
        FILTER_SESSION_LINGER,
        FILTER_SESSION_FLUSH,
        FILTER_SESSION_ENDED,
} FilterSessionState;

typedef struct FilterBuffer {
        char *data;
        size_t size;
        size_t start, end; /* what is in it */
} FilterBuffer;

typedef struct FilterSession {
        const char *endpoint;
        FilterProfile profile;
        FilterSessionState state;
        FilterBuffer from_client, to_service, from_service, to_client;
        bool client_ended, service_ended; /* they say nothing more */
        size_t lingered;

        /* The request that is being answered, and its answer. */
        HttpRequest request;
        char asked[DOCKER_ASKED_MAX + 1];
        DockerBody body_kind;
        bool closes;
        bool chunked; /* as it is passed on; else it has no body */
        bool redacts;
        HttpBody body;
        Redactor redactor;
        const char *piece; /* of the body, in from_service */
        size_t n_piece;

        char client_head[HTTP_HEAD_MAX];
        char service_head[HTTP_REQUEST_MAX];
        char answer[FILTER_ANSWER_BUFFER];
        char output[FILTER_CLIENT_BUFFER];
} FilterSession;

/* endpoint has to stay; the session is not to be moved. */
void filter_session_init(FilterSession *session, const char *endpoint, FilterProfile profile);

/* Where to read the next bytes to, and how many; 0 if none are wanted now. */
size_t filter_session_client_room(FilterSession *session, char **ret);
size_t filter_session_service_room(FilterSession *session, char **ret);

/* So many are there now; 0 is the end. They are dealt with at once. */
void filter_session_client_read(FilterSession *session, size_t n);
void filter_session_service_read(FilterSession *session, size_t n);

/* What there is to be sent, at *ret, and that so much of it was. */
size_t filter_session_client_output(const FilterSession *session, const char **ret);
size_t filter_session_service_output(const FilterSession *session, const char **ret);
void filter_session_client_sent(FilterSession *session, size_t n);
void filter_session_service_sent(FilterSession *session, size_t n);
