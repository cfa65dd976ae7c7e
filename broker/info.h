#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Info: what this broker is, and what whoever asks has of it
 *
 * Of its limits a caller is told how much of them their own user has at the moment. What others
 * have is not said: it would tell when they come and go.
 */

#include "common/interface.h"

typedef struct Session Session;

void get_broker_info(Session *session, const FieldValue *values);
