#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Wires: what a fake broker's script runs to serve any number of clients at once. */

#include "tests/support/fake-broker.h"

#define WIRES_MAX 1024U

/* Answers a call, on the broker's connection; as the fake_send() functions do. */
typedef void (*WiresAnswer)(FakeBroker *broker, const char *call);

/* Serves until the broker is to stop. When is_ending becomes true (it is atomic; NULL: never),
 * last_words are sent on each wire whose call was to have more replies. */
void wires_serve(FakeBroker *broker, WiresAnswer answer, const bool *is_ending,
                 const char *last_words);
