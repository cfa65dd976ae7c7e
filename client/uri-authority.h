#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI authority: the user, the host and the port, between the slashes
 *
 * IPv6 addresses stand in brackets. They have no zone there (fe80::1%25eth0): which link a zone
 * means only one machine knows, and ssh replaces what stands behind a %. A name in ~/.ssh/config
 * serves for those.
 */

#include "client/uri-input.h"

/* authority is the parser's to write in; endpoint, which follows it, is for hints. -EINVAL. */
int uri_authority_parse(const UriInput *input, char *authority, const char *endpoint,
                        Uri *uri) _must_check_;
