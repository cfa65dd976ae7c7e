#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server: the audit helper's loop
 *
 * One connection at a time, which is the broker's: another one waits in the listener's queue, as
 * what a broker that has just been started sends waits for the end of the one before. Each message
 * has to come from the process that connected, and to be one; else the connection ends.
 *
 * Leaving loses nothing: what has arrived on the connection is written, the next message fails with
 * EPIPE, and what connects from then on starts the next process.
 */

#include <sys/types.h>

#include "common/audit-protocol.h"
#include "common/macros.h"

#define AUDIT_IDLE_MSEC (30 * 1000)

/* Writes one event into the log. What becomes of that is its own affair. */
typedef void (*AuditWriteFunc)(const AuditEvent *event, void *userdata);

typedef struct AuditServer {
        int listener;
        int end;      /* readable when it is to end; or none */
        uid_t broker; /* who may connect */
        int idle_msec;
        AuditWriteFunc func;
        void *userdata;

        int fd; /* the connection */
        pid_t pid;
        bool leaving;
} AuditServer;

/* The fields above the gap are then the caller's: to fill before it runs, and to free. */
void audit_server_init(AuditServer *server);
void audit_server_deinit(AuditServer *server);

/* Serves until there is nothing left to do: 0, or -errno. */
int audit_server_run(AuditServer *server) _must_check_;
