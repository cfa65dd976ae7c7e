#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transport program: ssh, or another, with pipes for its standard streams
 *
 * It is found as a shell finds it, and has the environment, the folder and the terminal of whoever
 * wants the connection: it is their own ssh. It ends with the transport, whatever happens to that.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct TransportProgram {
        pid_t pid; /* 0 once it has ended and was waited for */
        int pidfd;
        int input;  /* to its standard input */
        int output; /* from its standard output */
        int errors;
        int status; /* waitpid(2)'s, once it has ended */
} TransportProgram;

#define TRANSPORT_PROGRAM_NULL \
        { .pidfd = -EBADF, .input = -EBADF, .output = -EBADF, .errors = -EBADF }

/* -errno if it cannot be started, which includes that there is no such program. */
int transport_program_start(char *const *arguments, TransportProgram *ret) _must_check_;

/* Whether it has ended, which never waits. */
bool transport_program_has_ended(TransportProgram *program);

/* Waits for so long that it ends by itself, asks it to, waits, and then has it killed. */
void transport_program_stop(TransportProgram *program, int patience_ms);

void transport_program_deinit(TransportProgram *program);
