#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Users: a table in place of this machine's
 *
 * alice (1001) and bob (1002) are ordinary; the last is me, who runs the test. The others each have
 * something that keeps one from authenticating as them.
 */

#include "pam/identity.h"

/* Looks like getpwnam_r(3) and getpwuid_r(3). "broken" cannot be looked up: EIO. */
int users_by_name(const char *name, struct passwd *entry, char *buf, size_t size,
                  struct passwd **ret);
int users_by_uid(uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **ret);

#define USERS_BROKEN_UID 1013

/* With these, shells that are valid, and a UID_MIN of 1000. */
extern const IdentityRules users_rules;
