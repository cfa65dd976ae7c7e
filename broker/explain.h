#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Explain: the method that says what an Open would meet, and why
 */

#include "common/interface.h"

typedef struct Session Session;

void explain(Session *session, const FieldValue *values);
