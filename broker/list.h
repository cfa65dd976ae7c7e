#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * List: the method that lists endpoints
 *
 * Names and descriptions are public and cost nothing. Decisions are asked of policy, one after the
 * other, so that a list takes its turns in the queue like everybody's requests.
 */

#include "common/interface.h"

typedef struct Session Session;

void list_endpoints(Session *session, const FieldValue *values);
