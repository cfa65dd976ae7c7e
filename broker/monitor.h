#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Monitor: what happens, told to whoever watches
 *
 * The same that is recorded, as it happens: grants, refusals, ends. Each user may watch what
 * concerns them, and who may manage leases all of it. Whoever does not read as fast as things
 * happen is hung up on: the journal has it all.
 */

#include "broker/record.h"
#include "common/interface.h"

typedef struct Broker Broker;
typedef struct Monitor Monitor;
typedef struct Session Session;

/* Carries out the method. */
void monitor(Session *session, const FieldValue *values);

/* Tells all who watch. outcome is the word of the interface for it. */
void monitor_tell(Broker *broker, const char *event, const char *outcome,
                  const RecordFields *fields);
