#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Open another: one more descriptor under a lease that is there
 *
 * Policy has said yes to the lease, and what ends the lease ends this, too; so polkit is not asked,
 * and nothing is recorded but how many there were, when the lease ends. In exchange it has to be
 * the same process that has the lease, by the kernel's word: an id that was guessed or stolen, or a
 * connection that a child inherited, opens nothing.
 */

#include "common/interface.h"

typedef struct Session Session;

/* Carries out an Open with the parameter lease. */
void open_another(Session *session, const FieldValue *values);
