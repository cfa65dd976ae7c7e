#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Capabilities: all that there is, as one object
 *
 * What the machine, the library, the broker, the kernel and polkit have, how somebody can be asked
 * for a password, and the endpoints with what policy would answer this caller; nobody is asked for
 * anything meanwhile. Members are only ever added. doorward_get_capabilities(3) has a description.
 */

#include <jansson.h>

#include "client/error.h"

/* Asks the broker of conn, or the one that there is without. The reference is the caller's. */
int capabilities_get(const doorward_conn *conn, json_t **ret, doorward_error *error) _must_check_;

/* As text in memory of malloc(3), with flags of json_dumps(3). NULL: no memory. */
char *capabilities_to_string(const json_t *capabilities, size_t flags) _must_check_;
