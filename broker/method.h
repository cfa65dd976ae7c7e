#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Method: which call is carried out by what
 *
 * One table. Every method of the interface stands in it, those included that this version does not
 * implement. A handler either answers before it returns, or gives the session an operation that
 * does.
 */

#include "common/interface.h"

typedef struct Session Session;

/* Whether the method is only for callers whose process is proven. */
bool method_needs_proof(MethodId id);

void method_call(Session *session, MethodId id, const FieldValue *values);
