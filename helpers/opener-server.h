#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server: the opener's loop
 *
 * A few connections of the broker, a fixed table of requests that wait, one poll(2). Nothing is
 * allocated by a peer's choice, nothing blocks on a peer, and while there is nothing to do, or to
 * record, the only wake-up is the one that ends the process.
 *
 * Leaving loses nothing. What connects from then on stays in the queue of the listener, which is
 * systemd's, and starts the next process. A connection that was accepted is shut for reading: the
 * broker's next request fails with EPIPE, so that it knows that nobody has seen it, and those that
 * had arrived are answered before the end; and what was only counted so far is recorded. So SIGTERM
 * is no other way out than having been idle for long enough.
 *
 * A connection belongs to one process of the broker's user: messages of any other sender end it, as
 * does anything that is not exactly a request.
 */

#include <sys/types.h>

#include "common/caller.h"
#include "common/macros.h"
#include "helpers/opener-definition.h"
#include "helpers/opener-path.h"
#include "helpers/opener-record.h"
#include "helpers/opener-request.h"
#include "helpers/opener-worker.h"

#define OPENER_CONNECTIONS_MAX 4
#define OPENER_TASKS_MAX 64
#define OPENER_TASKS_PER_UID_MAX 16
#define OPENER_IDLE_USEC (30 * UINT64_C(1000000))
/* A backend that sees the opener's own user may look its process up. */
#define OPENER_LINGER_USEC (60 * UINT64_C(1000000))

typedef struct OpenerConnection {
        int fd;
        pid_t pid;
        bool drained; /* shut for reading, and read to the end */
} OpenerConnection;

typedef struct OpenerSlot {
        bool active;
        bool answered; /* what is left is that its worker ends */
        OpenerTask task;
        OpenerWorker worker; /* with ConnectAs=client; of the task only the request counts then */
        size_t connection;   /* who waits for it */
        uid_t uid;           /* for whom */
} OpenerSlot;

typedef struct OpenerServer {
        int listener;
        int end;      /* readable when it is to end; or none */
        uid_t broker; /* who may connect */
        CallerRules caller;
        OpenerPathRules path;
        OpenerDefinition *definition;
        OpenerRecord *record;
        const OpenerReply *lack; /* NULL, or what every request is answered */
        uint64_t patience_usec;
        uint64_t idle_usec;
        uint64_t linger_usec;

        OpenerConnection connections[OPENER_CONNECTIONS_MAX];
        OpenerSlot slots[OPENER_TASKS_MAX];
        uint64_t now;      /* since when this turn has had something to do */
        uint64_t end_at;   /* when it has been idle for long enough */
        uint64_t retry_at; /* when those that wait are tried again */
        bool leaving;
        bool useless; /* it left because its powers are not what they should be */
} OpenerServer;

/* The fields above the gap are then the caller's: to fill before it runs, and to free. */
void opener_server_init(OpenerServer *server);
void opener_server_deinit(OpenerServer *server);

/* Serves until there is nothing left to do: 0, or -errno. */
int opener_server_run(OpenerServer *server) _must_check_;
