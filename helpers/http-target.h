#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Target: what a request asks for, in one form only
 *
 * What is judged is what is sent on: the path is taken apart, and written anew from its parts. So
 * it begins with one slash, has nothing empty, "." or ".." between two of them, and is made of
 * letters, digits and "._-:@" alone. Of the escapes %2F, %3A and %40, which clients write in the
 * names of images, are the characters that they stand for, before anything is judged; no other is
 * taken.
 *
 * A query is names and values, each name once; a value may have any character but controls.
 */

#include "common/macros.h"

#define HTTP_PATH_MAX 1024
#define HTTP_QUERY_MAX 4096
#define HTTP_PARTS_MAX 16
#define HTTP_PARAMETERS_MAX 16

typedef struct HttpParameter {
        const char *name;
        const char *value;
} HttpParameter;

typedef struct HttpTarget {
        char path[HTTP_PATH_MAX + 1];
        size_t n_parts; /* between slashes */
        const char *parts[HTTP_PARTS_MAX];
        size_t n_parameters;
        HttpParameter parameters[HTTP_PARAMETERS_MAX];
        char text[HTTP_QUERY_MAX + 1]; /* what these point to */
        char split[HTTP_PATH_MAX + 1];
} HttpTarget;

/* -EBADMSG if it is not of this form. What is returned points into itself: it is not to be copied.
 */
int http_target_parse(const char *text, HttpTarget *ret) _must_check_;

/* Writes path and query anew: the length without the NUL, or -EMSGSIZE. */
ssize_t http_target_format(const HttpTarget *target, char *buf, size_t size) _must_check_;
