#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Identity: becoming the user who asks (ConnectAs=client), for good
 *
 * A process that takes another's uid comes within that user's reach. They may signal it, and what
 * they could look into would give them its groups, which are the definition's. So of the three
 * things that ptrace(2) and its like go by (uid, gid, dumpability) two are kept from them:
 *
 *  1. The gid stays the opener's own, which is nobody else's. That holds at every moment, also in
 *     between. Nor does it take a capability, as the definition's groups are there from the start.
 *  2. The kernel sets the dumpability back when a uid changes, to what fs.suid_dumpable says, and
 *     that can be "yes". It is taken away again right after. Whoever calls this has all signals
 *     blocked, so that none ends the process in between, with a core.
 *
 * No capability is left then. The bounding set stays as it was, since to change it would take yet
 * another capability; with no_new_privs it is of no consequence.
 */

#include <sys/types.h>

#include "common/macros.h"

/* Takes the uid, never 0, in the place of real, effective and saved one, and gives up all else. 0,
 * or -errno: whoever gets that can be anything in between, and must end. */
int opener_identity_take(uid_t uid) _must_check_;
