#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verdict: what the broker is told in the end
 *
 * PAM's many results become the few that make a difference to who is waiting: try again, ask an
 * administrator, change the password first, or nothing that a person could do better. A result that
 * is not expected of a step proves nothing, and is no wrong password either.
 */

#include "common/macros.h"
#include "common/pam-protocol.h"
#include "pam/identity.h"

void verdict_prove(PamReply *verdict, const Identity *identity);
/* With what it is due to: words of ours and PAM's, never a client's. */
void verdict_refuse(PamReply *verdict, VerdictCode code, const char *format, ...) _printf_(3, 4);

/* Of a result other than PAM_SUCCESS. */
VerdictCode verdict_of_authenticate(int result);
VerdictCode verdict_of_account(int result);
