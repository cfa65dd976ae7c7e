#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Head: a start line and header fields, as strictly as they can be read
 *
 * Lines end with CR LF and nothing else, a name is followed by its colon at once, nothing is
 * folded, and every byte is printable ASCII (or a tab, in a value). What some program reads in
 * another way than the next one is refused, so there is nothing for the two to disagree about.
 */

#include "common/macros.h"

#define HTTP_HEAD_MAX 8192
#define HTTP_FIELDS_MAX 64

typedef struct HttpField {
        const char *name;
        const char *value; /* without the white space around it */
} HttpField;

typedef struct HttpHead {
        const char *start;
        HttpField fields[HTTP_FIELDS_MAX];
        size_t n_fields;
} HttpHead;

/* How long the head is that begins here: 0 if its end is not there yet. -EBADMSG once it cannot be
 * one any more, -EMSGSIZE once it is too long. */
ssize_t http_head_find_end(const char *data, size_t size) _must_check_;

/* Reads a head of that length, which is written to: what is returned points into it. -EBADMSG. */
int http_head_parse(char *data, size_t size, HttpHead *ret) _must_check_;

/* How many fields have this name, in whatever case; *ret_value is the first one's, or NULL. */
size_t http_head_find(const HttpHead *head, const char *name, const char **ret_value);

/* Whether it is one or more of the characters of which names and methods are made. */
bool http_token_is_valid(const char *text);

/* The next word of a list with commas, at *list, which is moved behind it; -ENOENT if there is
 * none, -EBADMSG if it is no list. */
int http_list_next(const char **list, const char **ret_word, size_t *ret_size) _must_check_;
bool http_word_is(const char *word, size_t size, const char *expected);
