#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Request: what a client may ask, which is to look
 *
 * GET and HEAD of HTTP/1.1, with no body and nothing that would turn the connection into something
 * else. Whatever else a client sends is of no consequence, since nothing that it sent is sent on:
 * http_request_format() writes all of what the service gets.
 */

#include "helpers/http-head.h"
#include "helpers/http-target.h"

/* The longest that is written: every byte of a query may become three. */
#define HTTP_REQUEST_MAX (HTTP_PATH_MAX + 3 * HTTP_QUERY_MAX + 256)

typedef struct HttpRequest {
        bool head;   /* the answer has no body */
        bool closes; /* the client wants no further answer */
        HttpTarget target;
} HttpRequest;

typedef enum HttpRequestError {
        _HTTP_REQUEST_E_SUCCESS,
        HTTP_REQUEST_E_MALFORMED,
        HTTP_REQUEST_E_METHOD, /* it is not to look, but to do something */
        HTTP_REQUEST_E_TARGET, /* the path or the query could be read in more than one way */
        HTTP_REQUEST_E_BODY,
        HTTP_REQUEST_E_UPGRADE, /* it would speak something else from then on */
        HTTP_REQUEST_E_VERSION,
        HTTP_REQUEST_E_EXPECT,
} HttpRequestError;

/* Reads a head that http_head_find_end() has found, and writes to it. 0, and *ret is filled; or one
 * of the above. *ret_method and *ret_target point into the head, and are "" if it has none: they
 * are for what is said of it. */
int http_request_parse(char *data, size_t size, HttpRequest *ret, const char **ret_method,
                       const char **ret_target) _must_check_;

/* Writes the request: its length, or -EMSGSIZE. */
ssize_t http_request_format(const HttpRequest *request, char *buf, size_t size) _must_check_;
