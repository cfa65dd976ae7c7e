#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Connection: what a client gets
 *
 * It comes of an open (client/open.h). Unless it is detached, it keeps the wire on which it was
 * asked for: the lease lives exactly as long as that call, so hanging up is how it ends, and the
 * kernel does that for a process that dies.
 *
 * Everything but the descriptor and the count of references is fixed once it is open, so threads
 * share a connection without a lock. The lease and the wire for more descriptors change, and have
 * locks of their own.
 */

#include <sys/types.h>

#include "client/another.h"
#include "client/lease.h"
#include "client/opening.h"

typedef enum ConnFlags {
        /* No lease: nothing is held by anybody, and the connection has no wire. Only where the
         * definition allows it. */
        CONN_DETACHED = 1 << 0,
        /* Read-only, if full access is refused and the URI does not say which it is to be. */
        CONN_FALL_BACK = 1 << 1,
        /* A lease without a descriptor: each that is wanted is opened under it. */
        CONN_HOLD = 1 << 2,
        /* The text is a URI, even if an alias is called so. */
        CONN_NO_ALIASES = 1 << 3,
        /* Not if it leads to another machine. */
        CONN_LOCAL_ONLY = 1 << 4,
} ConnFlags;

struct doorward_conn {
        unsigned n_ref; /* atomic */
        pid_t pid;      /* whose it is */
        int fd;         /* atomic; -EBADF once it was taken out, and if the lease is held */
        char *socket;   /* the broker's path, to ask it other things */
        Uri uri;        /* as granted */
        Kind kind;      /* 0 if the lease is held: there was nothing to look at */
        LeaseMode mode;
        Lease lease;
        Another another;
        bool held;           /* CONN_HOLD */
        bool secure;         /* as wire_is_secure() was */
        bool encrypted;      /* on its way: nothing is that does not leave the machine */
        bool kept;           /* the lease outlives a restart of the broker */
        bool ends_at_logout; /* the lease, with the session */
        int64_t expires;     /* µs of CLOCK_REALTIME, 0 if never */
        char *request_id;    /* of the open */
        /* How it was authorized and whom the service sees; NULL, 0: the broker did not say. */
        char *action;
        int how;
        char *connect_as;
        int means; /* of read-only access; 0: the broker did not say */
        bool pam;  /* PAM has heard a password */
};

/* What that text comes to (client/naming.h), of flags those two; nothing is opened, but where
 * nothing was named the broker is asked for the names to show. */
int conn_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) _must_check_;

/* What is wanted of it, if the URI does not say; as conn_open(). -EINVAL for a contradiction. */
int conn_set_access(Uri *uri, Access access, doorward_error *error) _must_check_;

/* Opens what that text comes to (client/naming.h). ACCESS_FULL means what the URI says, full if it
 * does not say; ACCESS_READ_ONLY contradicts a URI that says full. Through auth people are asked;
 * without it nobody is, by polkit's agents as little as by us. */
int conn_open(const char *uri, Access access, const doorward_auth *auth, unsigned flags,
              doorward_conn **ret, doorward_error *error) _must_check_;

/* Makes one of what the broker granted, if that is to be believed; takes out of the grant what it
 * keeps. -errno and the error. */
int conn_new_granted(OpeningGrant *grant, const OpeningSpec *spec, doorward_conn **ret,
                     doorward_error *error) _must_check_;

/* Notes what was granted, in copies. -ENOMEM. */
int conn_set_terms(doorward_conn *conn, const GrantTerms *terms) _must_check_;

/* Gives one reference back; true if it was the last and the connection is gone. */
bool conn_unref(doorward_conn *conn);

static inline void conn_ref(doorward_conn *conn) {
        (void)__atomic_add_fetch(&conn->n_ref, 1, __ATOMIC_RELAXED);
}

static inline bool conn_has_lease(const doorward_conn *conn) {
        return conn->mode != LEASE_MODE_NONE || conn->lease.remote;
}

/* Sets the error "NAME is on another machine, and WHAT."; -EOPNOTSUPP. */
int conn_fail_remote(const doorward_conn *conn, const char *what, doorward_error *error);

/* To poll for input beside other things, then conn_process(). -EBADF if nothing is leased. */
int conn_get_control_fd(const doorward_conn *conn);

/* Looks, without waiting, whether the lease has ended: 0 if not, 1 if so and *ret is why (an
 * EndReason, or 0 for a reason that this version does not know), -errno, once, if the broker is
 * gone or talks nonsense. */
int conn_process(doorward_conn *conn, int *ret, doorward_error *error) _must_check_;

/* What a descriptor is, from the descriptor itself. -errno, -EMEDIUMTYPE for what no endpoint is.
 */
int conn_find_kind(int fd) _must_check_;

/* Why a descriptor of that kind (conn_find_kind()'s) is not to be taken for one with that access;
 * NULL: it can be. */
const char *conn_fd_problem(int fd, int kind, int access);

/* Whether it can be used: 1 or 0. Without a lease it is the descriptor that is looked at; -errno
 * and the error if that was taken out. */
int conn_is_alive(doorward_conn *conn, doorward_error *error) _must_check_;

static inline void conn_unrefp(doorward_conn **conn) {
        if (*conn)
                (void)conn_unref(*conn);
}
