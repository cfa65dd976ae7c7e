#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record of the opener: whom it opened what for
 *
 * The broker records each decision. This is the second opinion, from a process that the broker
 * cannot speak for, with the uid that the client's own connection showed. A broker that was taken
 * over can leave its own record out, and not this one.
 *
 * Each request is in it, and not each has an entry: of a lease that somebody opens again and again
 * there would be thousands a second, and whoever fills the journal has older entries thrown away.
 * The first of a kind (the same user, access and instance, and the same answer) is written at once.
 * What is like it within the next second is counted, and written as one entry when that second is
 * over, before an entry of the same user, access and instance that says something else, or when the
 * process ends. So that nobody gets around that by ever new instances, those of a user who has too
 * many kinds are counted together. Users never are: when the table is full, the oldest has its
 * entry before its time.
 *
 * An entry waits for the journal, but for a second at most: anybody can fill the journal's queue,
 * and who has something to hide would. A journal that stands still is no reason to refuse (the
 * broker has refused already); what could not be written is counted, and the next entry that can be
 * says how many requests that were.
 */

#include <sys/types.h>

#include "common/journal.h"
#include "common/macros.h"
#include "common/opener-protocol.h"

#define OPENER_RECORD_ID "702a98fb383b50dbdb21ca214fcdb69b"

#define OPENER_RECORD_USEC (1 * UINT64_C(1000000))
#define OPENER_RECORD_KINDS_MAX 64
#define OPENER_RECORD_KINDS_PER_UID_MAX 16

/* One kind, of which one was written less than a second ago. */
typedef struct OpenerRecordKind {
        uid_t uid;
        bool various; /* whatever the instance was, and the reason */
        OpenerRequest request;
        OpenerReply reply;
        uint64_t count; /* how many were not written yet */
        uint64_t end_at;
} OpenerRecordKind;

typedef struct OpenerRecord {
        const char *endpoint;
        const char *path; /* where the journal listens */
        int fd;
        uint64_t lost;                                   /* requests */
        OpenerRecordKind kinds[OPENER_RECORD_KINDS_MAX]; /* the oldest first */
        size_t n_kinds;
} OpenerRecord;

#define OPENER_RECORD_NULL \
        { .path = JOURNAL_SOCKET, .fd = -EBADF }

/* What waits is not written by this. */
void opener_record_deinit(OpenerRecord *record);

/* Writes or counts what a request came to. uid is PEER_UID_INVALID where the client's connection
 * was not accepted as one; now is monotonic, in µs. */
void opener_record_put(OpenerRecord *record, const OpenerRequest *request, uid_t uid,
                       const OpenerReply *reply, uint64_t now);

/* When opener_record_flush() has something to write; UINT64_MAX: nothing waits. */
uint64_t opener_record_get_deadline(const OpenerRecord *record);

/* Writes what was counted and whose second is over by then; at UINT64_MAX, all of it. */
void opener_record_flush(OpenerRecord *record, uint64_t now);
