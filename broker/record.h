#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record: what the broker decided, in the journal
 *
 * One entry for each decision and each end of a lease, written before the reply is sent. Numbers,
 * not names: the broker looks nobody up. The journal's socket is never waited for; what it does not
 * take at once goes to a queue that keeps the order. A grant waits for its entry to leave the queue
 * and is refused when that takes too long: no access without a record of it. Refusals and ends wait
 * in the queue, of which the oldest are dropped and counted when it is full.
 */

#include <systemd/sd-event.h>

#include "common/journal.h"
#include "common/name.h"
#include "common/terms.h"

/* Each has an entry in units/doorward.catalog that says what to do. */
#define RECORD_ID_GRANTED "1a30fb61defb4b3a9306772b585776e9"
#define RECORD_ID_REFUSED "abaf346509ee4c69a346b3eac851343c"
#define RECORD_ID_ENDED "dd0d072c6cbb42679d932d37ab59d9ae"
#define RECORD_ID_SENDER_MISMATCH "d7b0a613632447abbefab5b02a3c5e83"
#define RECORD_ID_BLOCKED "d40dd1a4743b42069c6d6c16a263cfbf"
#define RECORD_ID_PROBLEM "5894ff8942a747bab41a452a1a34ba94"
#define RECORD_ID_DROPPED "69760feae24a4b87aff0563c7a26bfcb"
#define RECORD_ID_OBSERVED "cab0d16c07794eb48051fe8fe4edab1f"

#define RECORD_REQUEST_SIZE 17 /* 64 random bits in hexadecimal, and the NUL */
#define RECORD_LEASE_SIZE 33   /* 128 */

/* What an entry says. NULL, "" and 0 are "does not apply", and the field is then left out. */
typedef struct RecordFields {
        const char *endpoint; /* NAME or NAME@INSTANCE, checked against the alphabet */
        Access access;
        Decision decision;
        How how;
        const char *policy; /* what polkit said, of HOW_OBSERVED, which does not depend on it */
        const char *proof;  /* what PAM proved: identity, step-up, both with a space between */
        const char *action; /* polkit's */
        const char *error;  /* the error that was answered, without the interface's name */
        const char *cause;  /* why, in words of ours or of the kernel */
        uid_t subject_uid;  /* of the peer */
        const char *asked;  /* whom the peer wanted to be, of a refusal; by the alphabet of names */
        uid_t identity_uid; /* as whom it was judged; the same if it did not authenticate */
        pid_t subject_pid;
        const char *unit;
        const char *session;
        const char *connect_as;
        const char *lease;
        LeaseMode mode;
        unsigned opened;  /* descriptors, under a lease that has ended */
        bool irrevocable; /* what was handed over goes on, with a process that did not let go */
        EndReason reason;
        const uid_t *ended_by; /* of END_REVOKED; NULL: nobody */
        const char *request;
        unsigned suppressed; /* like refusals that were not recorded before this one */
} RecordFields;

/* That an endpoint is observed, or not any more; see broker/observer.h. */
typedef struct RecordObservation {
        const char *endpoint; /* NAME, or NAME@ */
        const char *group;
        const char *until;
        const char *text; /* a sentence without its full stop */
        unsigned n_granted, n_refused;
} RecordObservation;

typedef struct Record Record;
typedef struct RecordWaiter RecordWaiter;

/* error is 0 when the entry was handed to the journal, -ETIMEDOUT when it was not in time. */
typedef void (*RecordFunc)(int error, void *userdata);

/* journal is the path of journald's socket. */
int record_new(sd_event *event, const char *journal, size_t queue_max, Record **ret) _must_check_;
Record *record_free(Record *record);

/* The entry for a decision that was a grant; for a refusal; for an end. */
void record_format_grant(JournalEntry *entry, const RecordFields *fields);
void record_format_refusal(JournalEntry *entry, const RecordFields *fields);
void record_format_end(JournalEntry *entry, const RecordFields *fields);

/* The entry for a connection that was closed because somebody else wrote on it: the fields are the
 * peer's, pid and uid are the sender's (0 if it is not known). */
void record_format_sender(JournalEntry *entry, const RecordFields *fields, pid_t pid, uid_t uid);

void record_format_observation(JournalEntry *entry, const RecordObservation *observation);

/* Sends, or queues. */
void record_put(Record *record, const JournalEntry *entry);

/* Sends: 1 if that was done at once and func will not be called; 0 if the entry is queued, and func
 * comes from the loop, after usec at the latest: the entry is then taken out of the queue. -errno:
 * it cannot be recorded. */
int record_put_and_wait(Record *record, const JournalEntry *entry, uint64_t usec, RecordFunc func,
                        void *userdata, RecordWaiter **ret) _must_check_;

/* Nobody waits any more, and the entry is taken out of the queue: what it says did not happen.
 * NULL is fine. Returns NULL. */
RecordWaiter *record_waiter_cancel(RecordWaiter *waiter);

/* A line of the broker's own log; level is syslog's. */
void record_log(Record *record, int level, const char *message_id, const char *format, ...)
        _printf_(4, 5);

/* Lines of what is done with each request, for who looks for why it does not do what it should:
 * none, as the broker starts. They are not what somebody may rely on: one that the journal does not
 * take at once is lost. */
void record_set_trace(Record *record, bool on);
bool record_has_trace(const Record *record);
void record_trace(Record *record, const char *request, const char *format, ...) _printf_(3, 4);

/* Whether entries wait to be sent. */
bool record_is_pending(const Record *record);

/* Sends what waits, and waits for the journal to take it: for as long as it takes some, but not
 * longer than idle_usec without, nor than usec in all. For the end of the program: nothing else is
 * done meanwhile. */
void record_flush(Record *record, uint64_t idle_usec, uint64_t usec);

DEFINE_CLEANUP(Record *, record_free);
