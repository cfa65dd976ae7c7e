#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Refusal: a reply that says no, and why
 *
 * Whatever judges something in the opener returns 0, or the status of a refusal after it has
 * written the rest of the reply: the errno, if a call failed, and one sentence for a person, which
 * names the thing that is wrong. There is no third way out; what went wrong inside is a refusal
 * too.
 */

#include "common/macros.h"
#include "common/opener-protocol.h"

/* For return opener_refuse(…): fills reply (but for its id) and returns status. What does not fit
 * is cut, what is not printable replaced. */
int opener_refuse(OpenerReply *reply, OpenerStatus status, int error, const char *format, ...)
        _printf_(4, 5);
