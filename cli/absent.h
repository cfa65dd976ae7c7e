#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Absent: users and groups that a definition names, and that are not on this machine
 *
 * A definition may be right for all that: groups come with packages, and packages come later. So
 * `verify` notes them. `info --check` has a problem of them where nothing is to be waited for: the
 * definition was written for this machine, or the service behind it is there.
 */

#include "policy/definition.h"

/* Texts about those without whom the endpoint cannot be opened: of Groups=, ConnectAs= and
 * PeerUser=; and about those of AuthenticateExempt=, whom nobody need be. The lists are the
 * caller's, NULL where there are none. -ENOMEM. */
int absent_find(const Definition *definition, char ***ret_needed, char ***ret_exempt) _must_check_;

/* Whether they may be absent since all of the service is: the definition came with doorward, or
 * another package, and nothing is there of what it opens. */
bool absent_is_usual(const Definition *definition);
