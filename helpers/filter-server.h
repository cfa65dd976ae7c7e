#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server: has a filter for each connection
 *
 * What connects is the broker, by the mode of the listener; it is the filter that judges it.
 * Nothing is read here, so this process never has a service's connection. A filter is a program of
 * its own and not a mere fork: no two of them have the same layout or the same secrets of their
 * stacks, and this process is nobody's parent in memory.
 */

#include "common/macros.h"

#define FILTER_SERVER_IDLE_MSEC (30 * 1000)
/* After a connection that could not be accepted, since the listener stays readable. */
#define FILTER_SERVER_PAUSE_MSEC 500

typedef struct FilterServer {
        int listener;        /* does not block */
        const char *program; /* finds its connection at FILTER_BROKER_FD; absolute */
        int idle_msec;
} FilterServer;

/* Until nobody has asked for so long, and no filter runs: 0, or -errno. From then on the kernel
 * reaps this process's children (SIGCHLD is ignored). A connection for which no filter can be
 * started is hung up, and the journal told why. */
int filter_server_run(const FilterServer *server) _must_check_;
