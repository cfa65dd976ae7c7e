#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wire fixture: a fake broker and a wire to it
 *
 * What the tests of the wire have in common. Each test ends with as many descriptors as it began
 * with, which fixture_stop() checks.
 */

#include "client/wire.h"
#include "tests/support/fake-broker.h"

#define SHORT_MS 100
/* Nobody's uid, but not the one that stands for those that are not mapped. */
#define STRANGER 65533

typedef struct Fixture {
        unsigned n_fds;
        FakeBroker *broker;
        Wire *wire;
        doorward_error error;
        WireReply reply;
} Fixture;

void fixture_start_broker(Fixture *f, FakeScript script, const void *data);
/* Connects, too. */
void fixture_start(Fixture *f, FakeScript script, const void *data);
void fixture_stop(Fixture *f);

int fixture_call(Fixture *f, MethodId method);
int fixture_call_open(Fixture *f);
int fixture_next(Fixture *f, int timeout_ms);
json_t *fixture_open_parameters(void);

/* Waits until there is something to read. */
void fixture_poll(Fixture *f);

/* The wire is dead, and says so however often it is asked. */
void fixture_check_dead(Fixture *f);

/* Opens for reading and leaves the low numbers to others. */
int open_above(const char *path);

/* Sets real and effective uid of the calling thread only, unlike what the C library makes of it. */
void set_thread_uid(uid_t uid);
void skip_unless_root(void);
