#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Printed: a command of doorward's, run in a test
 *
 * It talks to a fake broker, and what it prints is kept.
 */

#include "cli/options.h"
#include "tests/support/fake-broker.h"

/* What the broker is asked, and answers: calls in turn, each with its replies. Ended by an empty
 * one. */
typedef struct Exchange {
        const char *call;
        const char *replies[8];
} Exchange;

typedef struct Printed {
        int status;
        char out[16384];
        char err[4096];
} Printed;

typedef int (*PrintedCommand)(const Options *options, char **arguments, size_t n);

/* A script whose data are exchanges, on one connection, on which the client hangs up in the end. */
void printed_script(FakeBroker *broker);

/* Runs it with these arguments, ended by NULL, or NULL for none. Without a script there is nobody
 * to talk to. options->output need not be set. */
void printed_run(Printed *printed, PrintedCommand command, const Options *options,
                 const char *const *arguments, FakeScript script, const void *data);
