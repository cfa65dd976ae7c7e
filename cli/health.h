#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Health: what an administrator looks at first, `doorward info --check`
 *
 * Goes from the socket to the record along the way of a request, and looks at each place where a
 * machine can be set up wrongly: not at who may what, which is policy's affair, and `explain`'s. A
 * problem comes with the command that mends it. It changes nothing and opens nothing, and any user
 * may run it.
 */

#include "cli/options.h"

/* Returns the exit status: EXIT_STATUS_FAILURE if there is a problem. */
int health_check(const Options *options);
