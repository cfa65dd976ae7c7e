#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Permission: whether somebody may see and end what others have open
 *
 * That is one action of polkit's, org.doorward.manage-leases, asked without a prompt. Root may, as
 * polkit says of root without looking at any rule: so that what is open can be taken back while
 * polkit hangs, too.
 */

#include "broker/session.h"

typedef struct Permission Permission;

/* refusal is NULL if it is allowed. The permission is over. */
typedef void (*PermissionFunc)(const Refusal *refusal, void *userdata);

/* func is called once, and not before this returned 0; 1: it is allowed, and func is not called.
 * -errno. */
int permission_ask(Session *session, PermissionFunc func, void *userdata,
                   Permission **ret) _must_check_;

/* func is not called. NULL is fine. Returns NULL. */
Permission *permission_cancel(Permission *permission);
