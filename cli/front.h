#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Front: what stands at a path in the place of an endpoint, for the command that `run` runs
 *
 * A private socket in the place of a service's (front-socket.c), a pty in the place of a terminal
 * line (front-pty.c). What a front is of depends on the
 * kind of the endpoint; each kind that has one is a FrontType.
 *
 * It goes through these steps, of all endpoints one after the other: front_open() asks for the
 * endpoint, and people for passwords, while nothing has been made yet; front_show() makes what
 * stands at the path; from then on, while the command runs, front_process() is called after each
 * turn of the loop. front_free() removes what was made, at any of these points.
 */

#include "cli/argument.h"
#include "cli/loop.h"
#include "cli/options.h"
#include "policy/definition.h"

typedef struct Front Front;
typedef struct FrontType FrontType;

/* Borrowed until front_free(). */
typedef struct FrontSpec {
        const Options *options;
        const Argument *argument;
        const Definition *definition; /* of this machine; NULL if it has none of that name */
        Loop *loop;
} FrontSpec;

struct Front {
        const FrontType *type;
        FrontSpec spec;
        char *path; /* once it is shown */
};

struct FrontType {
        bool (*is_for)(Kind kind);

        /* 0 and *ret, whose type and spec the caller fills in; or the exit status is *ret_status,
         * and it was said why: -errno. */
        int (*open)(const FrontSpec *spec, Front **ret, int *ret_status);

        /* Makes it, and sets the path. -1, or the exit status, and it was said why. */
        int (*show)(Front *front);

        /* Does what can be done now. -1, or the exit status with which there is no use in it any
         * more, and it was said why. */
        int (*process)(Front *front);
        int64_t (*get_deadline)(const Front *front); /* channel_deadline()'s */

        /* The command has ended: whether nothing that it has written is still on its way. */
        bool (*is_settled)(const Front *front);

        void (*free)(Front *front);
};

extern const FrontType front_type_socket, front_type_pty;

/* -1 and *ret, or the exit status: what is wrong was said. */
int front_open(const FrontSpec *spec, Front **ret) _must_check_;

int front_show(Front *front) _must_check_;
int front_process(Front *front) _must_check_;
int64_t front_get_deadline(const Front *front);
bool front_is_settled(const Front *front);

/* Takes NULL, returns NULL. */
Front *front_free(Front *front);
