#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Environment: what a command is told of the private sockets in the place of endpoints
 *
 * [Client] Environment= of definitions, with the socket's path for %s and its folder for %d. Only
 * definitions of this machine count, which are root's, and never what a broker answers.
 */

#include "policy/definition.h"

/* Loads the definition of an endpoint that is installed here; *ret is NULL if there is none, or one
 * that cannot be read. -ENOMEM. */
int environment_load_definition(const Name *name, Definition **ret) _must_check_;

/* Adds its variables, as NAME=value; one of the same name that is there is replaced. -ENOMEM. */
int environment_add(char ***environment, const Definition *definition,
                    const char *path) _must_check_;
