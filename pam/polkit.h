#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Polkit: telling it who was authenticated
 *
 * polkit believes this of root alone, and has a setuid program for it, which does not work where
 * setuid does not. This process is root already. The cookie is polkit's, hard to guess and bound to
 * the user whose agent was asked.
 *
 * It is the second of three calls of that purpose: the first does not say whose agent it was, and
 * the third is of polkit 127, which has kept this one.
 */

#include <sys/types.h>

#include "common/macros.h"

#define POLKIT_BUS "unix:path=/run/dbus/system_bus_socket"

#define POLKIT_PATIENCE_USEC (10 * UINT64_C(1000000))

/* agent is the uid of the agent, identity that of who was authenticated. 0 once polkit has taken
 * it, else -errno. The bus and polkit have that long each to answer. */
int polkit_respond(const char *address, uint64_t patience_usec, uid_t agent, const char *cookie,
                   uid_t identity) _must_check_;
