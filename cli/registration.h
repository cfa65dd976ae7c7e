#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Registration: whether polkit has read the actions of an endpoint as they are now
 *
 * It watches the folder that they are in, and sees what is new there when it comes to it: mostly at
 * once, but it can be busy for seconds with rules or users. A question of that time would be judged
 * by what was there before, or by the generic actions.
 */

#include "policy/definition.h"

/* A minute, which is what `policy` says: polkit stands still for a quarter of one now and then. */
#define REGISTRATION_PATIENCE_USEC (UINT64_C(60) * 1000000)

/* Returns once polkit has the actions of the definition, with their defaults, and no other of
 * endpoint, or none at all if there is no definition; or does not run, and so will read them.
 * -errno, -ETIMEDOUT without a problem; *ret_problem else as in manager.h. */
int registration_await(const char *address, uint64_t patience_usec, const char *endpoint,
                       const Definition *definition, char **ret_problem) _must_check_;
