#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI query: the parameters, and which transport has which
 *
 * A parameter that was mistyped would be one that does not count, of all things access=read-only:
 * so there is none that is ignored.
 */

#include "client/uri-input.h"

/* query is what follows the question mark, or NULL, and the parser's to write in. It also looks
 * whether all that the transport needs was said. -EINVAL. */
int uri_query_parse(const UriInput *input, char *query, Uri *uri) _must_check_;

/* Writes it, with the question mark, if there is anything to say. */
void uri_query_write(const Uri *uri, char *buf, size_t size);
