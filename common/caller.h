#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Caller: for whom the broker asks a helper, by the client's own connection
 *
 * The broker says nothing about its client that a helper would believe. It passes the connection on
 * which the client called it, and the kernel says who made that: SO_PEERCRED, set once at
 * connect(2). So the broker can ask for those who are connected to it, as long as they are, and for
 * nobody else.
 *
 * That holds only for a socket that the broker's listener accepted, and a broker that was taken
 * over can offer others. A socketpair, or what it connected itself, is not called by our path; it
 * can be bound to that path in a namespace of its own, but then the other end is a listener and
 * says its name, and the other end of an accepted connection of ours has none (the library never
 * binds). What another program's socketpair shows is refused by its type where that is not a
 * stream: helpers of ours that make one make it seqpacket for this reason.
 */

#include <sys/types.h>

#include "common/macros.h"

enum {
        _CALLER_E_SUCCESS,
        CALLER_E_REFUSED, /* not a client's connection, or a client that is never served */
};

typedef struct CallerRules {
        const char *path;  /* the broker's socket */
        uid_t own;         /* nobody asks for the helper's own user, */
        uid_t broker;      /* nor for the broker's; PEER_UID_INVALID is nobody */
        bool no_peerpidfd; /* as on a kernel before Linux 6.5 */
} CallerRules;

/* Judges the connection; it stays the caller's own, and is not needed for anything else. 0 and the
 * client's uid; else CALLER_E_REFUSED or -errno, and *ret_reason says why: static. */
int caller_judge(const CallerRules *rules, int fd, uid_t *ret,
                 const char **ret_reason) _must_check_;
