#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Session: one connection of one client
 *
 *   WAITING   for a call; bounded by RequestTimeoutSec=
 *   BUSY      a call is being carried out; what comes meanwhile waits, up to one call
 *   LEASED    an Open was granted; the lease lives as long as the connection, and nothing may be
 *             sent on it any more
 *   CLOSING   what is left to be sent is sent, then it goes
 *
 * Calls are carried out one after the other. What a call that takes time has under way is its
 * operation: when the client hangs up or its process ends, the operation is freed, and gives up
 * whatever it waits for. Hanging up is any kind of end, a mere shutdown of the sending side
 * included.
 *
 * A session is freed from the event loop only, never from inside a call that it made: after
 * session_close(), session_reply() or session_refuse() the object is still there.
 */

#include <systemd/sd-event.h>

#include "broker/deadline.h"
#include "broker/process.h"
#include "broker/record.h"
#include "broker/refusal.h"
#include "broker/user.h"
#include "common/interface.h"
#include "common/peer.h"
#include "common/varlink.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Session Session;
typedef struct StateLease StateLease;

typedef enum SessionState {
        SESSION_WAITING,
        SESSION_BUSY,
        SESSION_LEASED,
        SESSION_CLOSING,
        _SESSION_STATE_MAX,
} SessionState;

/* What a call has under way; the first member of whatever it keeps. */
typedef struct Operation Operation;
struct Operation {
        void (*free)(Operation *operation);
        void (*expire)(Operation *operation); /* the time of session_set_timeout() is up */
        void (*resume)(Operation *operation); /* what was sent has been taken; NULL: all the same */
};

struct Session {
        Broker *broker;
        Session *next, *previous; /* Broker::sessions */
        SessionState state;
        int fd;
        Peer peer; /* its pidfd is the process's */
        Process *process;
        Session *next_of_process, *previous_of_process; /* Process::sessions */
        uid_t sender_uid; /* of the last message: the real uid of who sent it */
        char *unit;       /* the peer's, for records; looked up once */
        char *login_session;
        bool looked_up;
        User *user;
        UserCharge connection;  /* while there is no live lease */
        UserCharge descriptor;  /* fd */
        UserCharge delivery;    /* of a descriptor that may wait for the client to read it, */
        uint64_t delivery_time; /* when it was sent; monotonic */
        Session *next_undelivered, *previous_undelivered; /* Broker::undelivered, meanwhile */
        char nonce[RECORD_LEASE_SIZE];
        char request[RECORD_REQUEST_SIZE]; /* of the call */
        VarlinkInput input;
        VarlinkOutput output;
        VarlinkIncoming message; /* the call's, while BUSY */
        VarlinkCall call;
        Operation *operation;
        Lease *lease;
        sd_event_source *io;
        Deadline deadline;
        bool woken; /* to be read on, or freed, from the loop: Broker::woken */
        Session *next_woken;
};

/* Takes an accepted connection: serves it, or refuses it and closes it. */
void session_accept_consume_fd(Broker *broker, int fd);
Session *session_free(Session *session);

/* The session of a lease that the broker before has left: the kernel has to say that it is of the
 * same process. It takes the descriptor if that succeeds. PEER_E_GONE: that has ended; PEER_E_*,
 * -errno. */
int session_restore(Broker *broker, const StateLease *from, int *fd, Session **ret) _must_check_;

/* Frees it, and leaves the connection to the next broker. */
Session *session_leave(Session *session);

/* The call's operation, freed when the call ends in whatever way. */
void session_set_operation(Session *session, Operation *operation);

/* How long the call may take, from now; then its operation's expire is called. */
int session_set_timeout(Session *session, uint64_t usec);

/* Sends a reply; takes the reference (NULL: there was no memory for it) and the descriptor
 * (negative: none). Without continues it is the last one: the call has ended. To a call of our own
 * interface the request's id is added. */
void session_reply_consume(Session *session, json_t *parameters, int fd, bool continues);

/* Ends the call with an error. The second is for those of org.varlink.service, whose one parameter
 * is value. */
void session_refuse(Session *session, const Refusal *refusal);
void session_refuse_service(Session *session, ErrorId error, const char *value);

/* Ends the call with an error, and writes the record of it before. */
void session_refuse_recorded(Session *session, const Refusal *refusal);

/* Records a refusal of the call that is under way, without an answer. */
void session_record_refusal(Session *session, const Refusal *refusal);

/* The call is granted: the session belongs to this lease from now on. */
void session_set_lease(Session *session, Lease *lease);

/* The lease is over; the client is told why if it is still there, and the connection closed. */
void session_end_lease(Session *session, EndReason reason);

/* Gives up what is under way and closes; what was queued is still sent, for a while. */
void session_close(Session *session);

/* The client's process has ended: all its sessions go. */
void session_end_process(Process *process);

/* Its turn, after session_close() or a call that left another one unread. The session may be gone
 * after this. */
void session_run(Session *session);

/* A reply with a descriptor is about to be sent, which is charged until the client has read it. */
void session_expect_delivery(Session *session);

/* Whether it has. */
bool session_has_delivered(Session *session);

/* Finds out the peer's unit and login session, for records. It reads files of /proc: a moment in
 * which there is something to wait for anyway is a good one. */
void session_look_up(Session *session);

/* The fields of a record that are the session's; borrowed from it. */
void session_get_record_fields(Session *session, RecordFields *ret);

const char *session_state_to_string(SessionState state);

/* A line of what is done with the call, if such are wanted: names and numbers, never what somebody
 * has sent beside them. */
#define session_trace(session, ...)                                                               \
        do {                                                                                      \
                if (record_has_trace((session)->broker->record))                                  \
                        record_trace((session)->broker->record, (session)->request, __VA_ARGS__); \
        } while (false)
