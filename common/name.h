#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Name: how an endpoint is named
 *
 *   docker           an endpoint
 *   serial@ttyUSB0   an instance of the template serial@
 *
 * A client names endpoints, never paths, and this alphabet is what makes that true: no slash, no
 * leading dot, nothing that a path, a unit name or a polkit action id would read differently.
 * Endpoint: [a-z0-9][a-z0-9-]{0,47}, not beginning with "ro-" (doorward-stdio-ro-NAME would be
 * ambiguous). Instance: [A-Za-z0-9._-]{1,64}, and neither "." nor "..".
 */

#include "common/macros.h"

#define NAME_ENDPOINT_MAX 48
#define NAME_INSTANCE_MAX 64
/* "endpoint@instance" and its NUL. */
#define NAME_TEXT_SIZE (NAME_ENDPOINT_MAX + 1 + NAME_INSTANCE_MAX + 1)

typedef struct Name {
        char endpoint[NAME_ENDPOINT_MAX + 1];
        char instance[NAME_INSTANCE_MAX + 1]; /* "" if the name has no @ */
} Name;

bool name_is_valid_endpoint(const char *text);
bool name_is_valid_instance(const char *text);

/* Parses "endpoint" or "endpoint@instance". -EINVAL if it is neither; *ret is then untouched. */
int name_parse(const char *text, Name *ret) _must_check_;

/* Writes it back as text, into a buffer of NAME_TEXT_SIZE; returns buf. */
const char *name_to_string(const Name *name, char buf[NAME_TEXT_SIZE]);
