#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record of the opener: whom it opened what for
 *
 * The broker records each decision. This is the second opinion: one journal entry per request, from
 * a process that the broker cannot speak for, with the uid that the client's own connection showed.
 * A broker that was taken over can leave its own record out, and not this one.
 *
 * So it waits for the journal, but for a second at most: anybody can fill the journal's queue, and
 * who has something to hide would. A journal that stands still is no reason to refuse (the broker
 * has refused already); entries that could not be sent are counted, and the next one that can be
 * says how many.
 */

#include <sys/types.h>

#include "common/journal.h"
#include "common/macros.h"
#include "common/opener-protocol.h"

#define OPENER_RECORD_ID "702a98fb383b50dbdb21ca214fcdb69b"

typedef struct OpenerRecord {
        const char *endpoint;
        const char *path; /* where the journal listens */
        int fd;
        uint64_t lost;
} OpenerRecord;

#define OPENER_RECORD_NULL \
        { .path = JOURNAL_SOCKET, .fd = -EBADF }

void opener_record_deinit(OpenerRecord *record);

/* uid is PEER_UID_INVALID where the client's connection was not accepted as one. */
void opener_record_send(OpenerRecord *record, const OpenerRequest *request, uid_t uid,
                        const OpenerReply *reply);
