#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Process: a client, as its connections share it
 *
 * A program can have hundreds of leases, each with a connection of its own. Its process is pinned
 * once for all of them: one pidfd, one event source for its end, one reading of what never changes.
 *
 * That two connections are of one process is certain if the pidfds of both are alive at one moment
 * and name the same number: no two running processes have one. A number alone says nothing.
 */

#include <systemd/sd-event.h>

#include "broker/user.h"
#include "common/peer.h"

typedef struct Process Process;
typedef struct ProcessTable ProcessTable;
typedef struct Session Session;

/* The process has ended. Everything of it may be freed in the call. */
typedef void (*ProcessFunc)(Process *process);

struct Process {
        ProcessTable *table;
        Process *next; /* ProcessTable::buckets */
        unsigned n_ref;
        pid_t pid;
        int pidfd;
        uint64_t start_time; /* 0 until it is asked for */
        Session *sessions;   /* its connections */
        UserCharge charge;   /* of the descriptor */
        sd_event_source *end;
};

#define PROCESS_BUCKETS 256U

struct ProcessTable {
        sd_event *event; /* borrowed */
        ProcessFunc func;
        Process *buckets[PROCESS_BUCKETS];
};

void process_table_init(ProcessTable *table, sd_event *event, ProcessFunc func);

/* The process of a peer that was alive a moment ago, with a reference for the caller. From then on
 * the peer's pidfd is the process's, and must not be closed with the peer. *ret_new says whether
 * there was none before. PEER_E_GONE; -ENOMEM and such: the peer is then as it was. */
int process_table_ref(ProcessTable *table, Peer *peer, Process **ret, bool *ret_new) _must_check_;
Process *process_unref(Process *process);

/* As peer_get_start_time(). */
int process_get_start_time(Process *process, const Peer *peer, uint64_t *ret) _must_check_;
