#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Failure: what the broker's errors mean for people
 *
 * The interface has one error for each way in which a request can fail, and the library one class
 * for each thing that a program would do about it. Here is the way from the one to the other, with
 * a sentence that says what happened; the hint, which says what to do, is the broker's own.
 */

#include <jansson.h>

#include "client/error.h"
#include "common/varlink.h"

/* Fills error from an error reply to a call with these parameters (endpoint and access are read of
 * them). An error that this version does not know is DOORWARD_ERR_PROTOCOL. Returns 0, or -EBADMSG,
 * with error untouched, if the reply's parameters are not of the types that the interface says. */
int failure_read(const VarlinkReply *reply, const json_t *request,
                 doorward_error *error) _must_check_;
