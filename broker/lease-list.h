#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lease list: what is open at present
 *
 * Each user may see what is theirs, and who may manage leases all of it. There can be thousands:
 * they are told a few at a time, as fast as the client reads.
 */

#include "common/interface.h"

typedef struct Session Session;

/* Carries out the method. */
void lease_list(Session *session, const FieldValue *values);
