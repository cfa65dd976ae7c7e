#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Way: the ways to where an endpoint is
 *
 * A broker of this machine is asked over its socket, and what it grants is a descriptor. Of another
 * machine's, some process at the far end asks. Whatever the way, the rest of the library sees an
 * attempt: one question, from which a connection comes, or an error.
 *
 * An attempt is a machine that never waits (client/wait.h). It owns all that it starts: processes,
 * prompts, descriptors, calls; and leaves nothing behind, wherever it is when it is freed. Which
 * way a URI takes is said in one place, way_of().
 */

#include "client/opening.h"

enum {
        _WAY_E_OPEN,
        WAY_E_WAIT, /* for what wait() says */
};

typedef struct Way {
        /* Begins, without doing anything yet. spec is borrowed until free(). -errno and the error.
         */
        int (*new)(const OpeningSpec *spec, void **ret, doorward_error *error);

        /* Does what can be done now. WAY_E_WAIT; 0 and the connection; -errno and the error.
         * After the last two there is nothing left of it to be waited for: it is only freed. */
        int (*process)(void *attempt, doorward_conn **ret, doorward_error *error);
        void (*wait)(const void *attempt, Wait *wait);

        /* Whether the callback left a question open; and the answer to that, NULL to cancel. 0, or
         * -EINVAL and the error if it is none, and the question stays open. */
        bool (*is_asking)(const void *attempt);
        int (*answer)(void *attempt, const doorward_credential *cred, doorward_error *error);

        /* Gives up without waiting. In a child process it is but a copy of the parent's, for which
         * nothing may change. */
        void (*free)(void *attempt, bool is_copy);
} Way;

/* A broker of this machine: the system's, or another's socket. */
extern const Way way_local;

const Way *way_of(const Uri *uri);
