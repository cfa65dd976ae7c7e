#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Broker limits: how much the broker lets this user have, and how much of it that is at the moment
 *
 * They are the broker's by name, as its settings and its refusals call them, so a later broker's
 * are told by this version, too. One block of memory, as grant-info.h has it.
 */

#include "client/error.h"

/* Asks the broker of conn, or the one that there is without. To be freed with
 * doorward_limits_free(). */
int broker_limits_get(const doorward_conn *conn, doorward_limits **ret,
                      doorward_error *error) _must_check_;
