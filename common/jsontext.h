#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JSON text: read into jansson's values, with or without memory
 *
 * jansson's own reader collects a string byte by byte in a buffer that grows, and does not look
 * whether it grew (2.14): without memory at the wrong moment a byte is missing, or it reads beyond
 * the end. A library in somebody else's process may do neither. So a text is read here, into the
 * same values, with the one buffer that strings need allocated before; what is refused, and what
 * comes of the rest, is the same as with json_loadb() and JSON_REJECT_DUPLICATES, but for a NUL,
 * which jansson does not see behind a number, and which is refused here.
 */

#include <jansson.h>

#include "common/macros.h"

/* One object and nothing else, nested as deep as that at most. The reference is the caller's.
 * -EBADMSG, -ENOMEM. */
int jsontext_read(const char *text, size_t n, unsigned depth_max, json_t **ret) _must_check_;

/* A member of an object whose value is a text. */
typedef struct JsonMember {
        const char *key;
        const char *text; /* NULL: it is left out */
} JsonMember;

/* A new object of these, which are UTF-8; NULL: no memory. */
json_t *jsontext_new_object(const JsonMember *members, size_t n);

/* The object with that value, which is taken; or NULL, and the object is gone: no memory, be it for
 * this or before. */
json_t *jsontext_add(json_t *object, const char *key, json_t *value) _must_check_;
