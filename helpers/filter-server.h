#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server: has a filter for each connection
 *
 * What connects is the broker, by the mode of the listener; it is the filter that judges it.
 * Nothing is read here: there is no word to take this process over by, and a service's connection
 * that is in a message stays there. A filter is a program of its own and not a mere fork, so no two
 * have the same layout, or the same canaries.
 *
 * It does not end when it is idle: systemd flushes the queue when the service ends (FlushPending=),
 * lest one that cannot be started is started for the same connection over and over.
 */

#include "common/macros.h"

/* After a connection that could not be accepted, since the listener stays readable. */
#define FILTER_SERVER_PAUSE_MSEC 500

typedef struct FilterServer {
        int listener;        /* does not block */
        const char *program; /* finds its connection at FILTER_BROKER_FD; absolute */
} FilterServer;

/* Has no end but by a signal, or -errno. The kernel reaps this process's children (SIGCHLD is
 * ignored). A connection for which no filter can be started is hung up, and the journal told why.
 */
int filter_server_run(const FilterServer *server) _must_check_;
