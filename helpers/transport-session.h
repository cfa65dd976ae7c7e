#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transport session: one program, from its start to its end
 *
 * What the library has two descriptors of: one on which the bytes pass, and one on which it is told
 * what the program says on standard error and how it has ended, and whose end ends the program.
 */

#include "common/macros.h"

/* Returns when the program has ended and that was told. Takes the descriptors. */
void transport_session_run_consume_fds(char *const *arguments, int control, int data);
