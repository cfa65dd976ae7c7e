#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Revoke: taking back what is open
 *
 * Everybody may end what is theirs; to end what others have is for who may manage leases. Use ends
 * with the call, not with the next request; what the kernel cannot recall is counted and told.
 */

#include "common/interface.h"

typedef struct Session Session;

/* Carries out the method. */
void revoke_leases(Session *session, const FieldValue *values);
