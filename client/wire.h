#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wire: one connection to the broker, and calls on it
 *
 * The library checks its broker before it believes it. Root makes the broker's socket and gives it
 * to the broker's user, so SO_PEERCRED (who called listen) must be root, and every byte that comes
 * back must carry SCM_CREDENTIALS of the socket inode's owner. A broker that somebody runs for
 * themselves, at a path of their own (DOORWARD_SOCKET), may have their uid in place of root's. In a
 * user namespace that does not map root both look like the overflow uid: such a wire works and is
 * not secure.
 *
 * One call at a time. Replies are taken one by one, each with its own descriptors; a descriptor
 * that the reply does not name, or a name without a descriptor, ends the connection. A call that is
 * answered with IdentityProofRequired is sent again with the proof, unseen by the caller.
 *
 * Every function that can fail returns a negative errno and fills the error. -EREMOTEIO is a
 * refusal that the broker put into words, and leaves the wire usable; after anything else (a reply
 * that cannot be believed, the end of the connection, a deadline) it is closed and every later call
 * fails.
 */

#include <jansson.h>

#include "client/error.h"
#include "common/interface.h"

/* For a call by which nobody can be asked anything, and for one by which somebody can. The broker's
 * own deadlines are shorter: these are for a broker that hangs. */
#define WIRE_TIMEOUT_MS 60000
#define WIRE_TIMEOUT_INTERACTIVE_MS 300000
#define WIRE_NO_TIMEOUT (-1)

typedef struct Wire Wire;

typedef struct WireReply {
        json_t *parameters; /* an object */
        bool continues;     /* more replies to the same call follow */
        int connection;     /* the descriptors that these parameters of the reply name, or -EBADF */
        int conversation;
} WireReply;

#define WIRE_REPLY_NULL \
        { .parameters = NULL, .connection = -EBADF, .conversation = -EBADF }

typedef enum WireType {
        WIRE_BOOL = 1, /* bool */
        WIRE_INT,      /* int64_t */
        WIRE_STRING,   /* const char *, borrowed from the message */
        WIRE_STRINGS,  /* json_t *, an array of nothing but strings, borrowed */
        WIRE_OBJECT,   /* json_t *, borrowed */
        WIRE_INTS,     /* json_t *, an object whose members are integers, borrowed */
        WIRE_ENUM,     /* int, by from_wire */
} WireType;

/* One member of a reply, as its reader wants it. */
typedef struct WireField {
        const char *name; /* NULL ends a table */
        WireType type;
        bool nullable;
        void *value;                        /* to where; untouched where the member is absent */
        int (*from_wire)(const char *text); /* of WIRE_ENUM: access_from_wire and its like */
} WireField;

/* Connects and checks who made the socket. path NULL: channel_broker_path(). */
int wire_open(const char *path, int timeout_ms, Wire **ret, doorward_error *error) _must_check_;

/* The same for who cannot wait, in two steps, the second as channel_connect(). */
int wire_new(const char *path, Wire **ret, doorward_error *error) _must_check_;
int wire_connect(Wire *wire, doorward_error *error) _must_check_;
int wire_fail_full(Wire *wire, doorward_error *error);

/* For a wire that is kept, on which calls without more follow each other: each is then one system
 * call to send and one to receive. None may take longer. */
int wire_make_blocking(Wire *wire, int timeout_ms, doorward_error *error) _must_check_;

/* Hangs up, which ends a call and a lease that hangs on it, and frees. Takes NULL, returns NULL. */
Wire *wire_free(Wire *wire);

/* Frees without hanging up: what a child process does with its copy of the parent's wire. */
Wire *wire_free_copy(Wire *wire);

/* To poll for input while a call with more is under way: call wire_next() with a time-out of 0
 * until it gives -EAGAIN, then poll. Borrowed; -EBADF once the wire is closed. */
int wire_get_fd(const Wire *wire);

/* For what to poll: it is output if the call could not be sent as a whole, which takes a time-out
 * of 0 and a broker that does not read. */
short wire_get_events(const Wire *wire);

/* Where it is connected to. Borrowed. */
const char *wire_get_path(const Wire *wire);

/* Whether it is known that root made the socket and the broker's own user answers. */
bool wire_is_secure(const Wire *wire);

/* Calls and waits for the only reply. Takes the reference to parameters, on failure too; NULL is
 * taken for no memory, so that json_pack()'s result can be passed as it comes (none: an empty
 * object). The reply is the caller's. */
int wire_call(Wire *wire, MethodId method, json_t *parameters, int timeout_ms, WireReply *ret,
              doorward_error *error) _must_check_;

/* Starts a call and waits for nothing: wire_next(), with a time-out of 0, sends what could not be
 * sent yet, and has the only reply. parameters as above. */
int wire_start(Wire *wire, MethodId method, json_t *parameters, doorward_error *error) _must_check_;

/* Starts a call with more; wire_next() then has the replies. parameters as above. With a time-out
 * of 0 it waits for nothing, and what could not be sent yet wire_next() sends. */
int wire_call_more(Wire *wire, MethodId method, json_t *parameters, int timeout_ms,
                   doorward_error *error) _must_check_;

/* Takes the next reply: 1 and *ret, 0 if the last one was taken before, -errno. With a time-out of
 * 0 it waits for nothing, and gives -EAGAIN, with no error set and the wire still good, if no reply
 * is there. */
int wire_next(Wire *wire, int timeout_ms, WireReply *ret, doorward_error *error) _must_check_;

/* Whether something was read that wire_next() has not taken yet, which polling does not show. */
bool wire_has_input(const Wire *wire);

/* Whether the other end had hung up before anything of an answer was read: what a broker does to a
 * wire on which there was no call for a while. The same call can be made on another wire. */
bool wire_is_unanswered(const Wire *wire);

/* Gives up waiting for a reply: closes the wire, sets DOORWARD_ERR_TIMEOUT, returns -ETIMEDOUT. */
int wire_expire(Wire *wire, doorward_error *error);

void wire_reply_deinit(WireReply *reply);

/* Reads members of a message. Members that the table does not name are ignored: a later broker may
 * say more. -EBADMSG if one is missing or not of its type; absent and null are the same. Nothing
 * tells the caller which: the broker is broken, not the user. */
int wire_read(const json_t *object, const WireField *fields) _must_check_;

/* Sets DOORWARD_ERR_PROTOCOL; returns -EBADMSG. For replies that wire_read() refused. */
int wire_error_protocol(doorward_error *error, const char *format, ...) _printf_(2, 3);

DEFINE_CLEANUP(Wire *, wire_free);
