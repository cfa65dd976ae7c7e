#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Open: from a URI to a connection
 *
 * All that opens comes through here: doorward_open() and its like, the doorward command, and
 * doorward_open_start(), whose doorward_opening this is. There is one way: a machine that never
 * waits, of which open_block() is the one that does.
 *
 *   LIST       nothing was named: which endpoints there are is asked, for the error
 *   ASK        an attempt (client/way.h) is under way
 *   FALL_BACK  full access was refused, and another is, at read-only access
 *   OVER       the connection is there, or the error
 */

#include "client/listing.h"
#include "client/way.h"

typedef enum OpenState {
        OPEN_LIST = 1,
        OPEN_ASK,
        OPEN_FALL_BACK,
        OPEN_OVER,
} OpenState;

struct doorward_opening {
        pid_t pid; /* whose it is, for who may be called in a child */
        OpenState state;
        bool may_fall_back;
        Listing listing;
        Uri uri;
        doorward_auth auth; /* as the program gave it, if it did */
        OpeningSpec spec;   /* of what is under way */
        const Way *way;
        void *attempt;

        int result; /* 0 and the connection, or -errno and the error */
        doorward_conn *conn;
        doorward_error error;

        int event_fd;   /* -EBADF before it is wanted */
        bool busy;      /* a callback of the program's runs, perhaps, */
        bool abandoned; /* and has freed it */
        bool taken;     /* what came of it */
};

/* What that text comes to; flags are conn_open()'s. 0, NAMING_E_NONE, or -errno and the error. */
int open_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) _must_check_;

/* access and flags are conn_open()'s. Does nothing yet but look at its arguments; *open is to be
 * deinitialised in any case. -errno and the error. */
int open_init(doorward_opening *open, const char *text, Access access, const doorward_auth *auth,
              unsigned flags, doorward_error *error) _must_check_;

/* Gives up whatever is under way. In a child it is but a copy. */
void open_deinit(doorward_opening *open, bool is_copy);

/* Does what can be done now. 1: open_wait() says what there is to be waited for; 0: it is over. */
int open_process(doorward_opening *open);
void open_wait(const doorward_opening *open, Wait *wait);

/* The program has freed it, in its own callback. Nobody is asked any more, so that it is over, or
 * waits, as soon as the callback has returned. */
void open_abandon(doorward_opening *open);

/* Ends it at once, with that error. */
void open_give_up(doorward_opening *open, doorward_error *error);

/* What came of it, which is the caller's from then on: 0 and the connection, or -errno and the
 * error. Once. */
int open_take(doorward_opening *open, doorward_conn **ret, doorward_error *error) _must_check_;

/* All of it. A question that is left open is a mistake here: nobody could answer it. */
int open_block(doorward_opening *open, doorward_conn **ret, doorward_error *error) _must_check_;

bool open_is_asking(const doorward_opening *open);
int open_answer(doorward_opening *open, const doorward_credential *cred,
                doorward_error *error) _must_check_;

/* A descriptor that is readable once there is something to be done; and has it be so, which every
 * step makes necessary. */
int open_get_event_fd(doorward_opening *open, doorward_error *error) _must_check_;
int open_arm(doorward_opening *open, doorward_error *error) _must_check_;
