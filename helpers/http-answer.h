#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Answer: what the service says, and where it ends
 *
 * The service is not trusted to be well-formed: a filter that reads an answer's end elsewhere than
 * the client does would pass on what it has not looked at. So the frame is taken off, and the
 * client gets another one.
 *
 * HttpBody yields the pieces of a body, whatever its frame: a length, chunks, or the end of the
 * connection.
 */

#include "helpers/http-head.h"

typedef enum HttpFrame {
        HTTP_FRAME_NONE = 1, /* no body */
        HTTP_FRAME_LENGTH,
        HTTP_FRAME_CHUNKED,
        HTTP_FRAME_CLOSE,
} HttpFrame;

typedef enum HttpBodyState {
        HTTP_BODY_SIZE = 1, /* the digits that begin a chunk */
        HTTP_BODY_EXTENSION,
        HTTP_BODY_SIZE_LF,
        HTTP_BODY_DATA,
        HTTP_BODY_DATA_CR,
        HTTP_BODY_DATA_LF,
        HTTP_BODY_TRAILER, /* at the beginning of a line */
        HTTP_BODY_TRAILER_LINE,
        HTTP_BODY_TRAILER_LF,
        HTTP_BODY_END_LF,
        HTTP_BODY_DONE,
} HttpBodyState;

typedef struct HttpBody {
        HttpFrame frame;
        HttpBodyState state;
        uint64_t left;     /* of the length, or of the chunk */
        unsigned overhead; /* bytes since the last of the body's own: what a chunk's may be */
        bool any;          /* a digit was read */
} HttpBody;

typedef struct HttpAnswer {
        unsigned status;
        bool closes;              /* no other answer follows */
        const char *content_type; /* NULL if it does not say */
        HttpBody body;
        HttpHead head;
} HttpAnswer;

/* Reads a head that http_head_find_end() has found, and writes to it; *ret points into it. -EBADMSG
 * if it could be read in more than one way, -EPROTONOSUPPORT if it is an answer in between (1xx) or
 * its body is in some encoding, in which nothing could be found. */
int http_answer_parse(char *data, size_t size, bool to_head, HttpAnswer *ret) _must_check_;

bool http_body_is_done(const HttpBody *body);

/* Takes bytes off the beginning of data: how many, and *ret_piece, *ret_n are those of the body
 * among them, if any. Takes none if it is done. -EBADMSG. */
ssize_t http_body_take(HttpBody *body, const char *data, size_t size, const char **ret_piece,
                       size_t *ret_n) _must_check_;

/* The service has hung up: 0 if the body is whole, else -ECONNRESET. */
int http_body_hang_up(HttpBody *body) _must_check_;
