/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <syslog.h>

#include "common/peer.h"
#include "helpers/opener-record.h"

void opener_record_deinit(OpenerRecord *record) {
        record->fd = close_fd(record->fd);
}

/* "serial@ttyUSB0", or "serial@*" for several that were counted together. */
static void kind_get_name(const OpenerRecordKind *kind, const char *endpoint,
                          char ret[NAME_TEXT_SIZE]) {
        const char *instance = kind->request.instance;

        (void)snprintf(ret, NAME_TEXT_SIZE, "%s%s%s", endpoint, instance[0] ? "@" : "",
                       instance[0] && kind->various && kind->count > 1 ? "*" : instance);
}

static void entry_put_message(JournalEntry *entry, const char *name, const OpenerRecordKind *kind) {
        const char *access = access_to_string(kind->request.access);
        const char *detail = kind->reply.detail;
        char whom[32] = "nobody", times[32] = "";

        if (kind->uid != PEER_UID_INVALID)
                (void)snprintf(whom, sizeof(whom), "uid %u", (unsigned)kind->uid);
        if (kind->count > 1)
                (void)snprintf(times, sizeof(times), ", %" PRIu64 " times", kind->count);

        if (kind->reply.status == OPENER_OK)
                journal_entry_putf(entry, "MESSAGE", "Opened %s at %s for %s%s%s%s.", name, access,
                                   whom, times, *detail ? ": " : "", detail);
        else
                journal_entry_putf(entry, "MESSAGE", "Did not open %s at %s for %s%s: %s (%s)",
                                   name, access, whom, times, kind->reply.detail,
                                   opener_status_to_string(kind->reply.status));
}

static void entry_put(JournalEntry *entry, const OpenerRecord *record,
                      const OpenerRecordKind *kind) {
        OpenerStatus status = kind->reply.status;
        char name[NAME_TEXT_SIZE];

        kind_get_name(kind, record->endpoint, name);
        entry_put_message(entry, name, kind);
        journal_entry_put(entry, "MESSAGE_ID", OPENER_RECORD_ID);
        journal_entry_put_number(entry, "PRIORITY", status == OPENER_OK ? LOG_INFO : LOG_NOTICE);
        journal_entry_put(entry, "SYSLOG_IDENTIFIER", "doorward-opener");
        journal_entry_put(entry, "DOORWARD_ENDPOINT", name);
        journal_entry_put(entry, "DOORWARD_ACCESS", access_to_string(kind->request.access));
        if (kind->uid != PEER_UID_INVALID)
                journal_entry_put_number(entry, "DOORWARD_OPENER_UID", kind->uid);
        journal_entry_put(entry, "DOORWARD_OPENER_STATUS", opener_status_to_string(status));
        if (kind->reply.error != 0)
                journal_entry_putf(entry, "ERRNO", "%d", kind->reply.error);
        if (kind->count > 1)
                journal_entry_put_number(entry, "DOORWARD_COUNT", kind->count);
        if (record->lost > 0)
                journal_entry_put_number(entry, "DOORWARD_OPENER_LOST", record->lost);
}

/* What is sent waits in the kernel, in its turn. */
static int record_open(OpenerRecord *record) {
        const struct timeval patience = {.tv_sec = 1};
        _cleanup_close_ int fd = -EBADF;
        int r = journal_open(record->path, &fd);

        if (r < 0)
                return r;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
            fcntl(fd, F_SETFL, 0) < 0)
                return -errno;

        record->fd = TAKE_FD(fd);
        return 0;
}

/* Writes what was counted of it, if that is anything: 0, or -errno if it is lost. */
static int record_write(OpenerRecord *record, OpenerRecordKind *kind) {
        JournalEntry entry;
        int r = -ENOBUFS;

        if (kind->count == 0)
                return 0;

        journal_entry_init(&entry);
        entry_put(&entry, record, kind);

        /* journald may have been started anew since: a second try has a new socket. */
        for (unsigned i = 0; i < 2 && !entry.failed; i++) {
                r = record->fd >= 0 ? 0 : record_open(record);
                if (r == 0)
                        r = journal_send(record->fd, entry.data, entry.size);
                if (r == 0 || r == -EAGAIN || r == -EMSGSIZE)
                        break;
                record->fd = close_fd(record->fd);
        }

        record->lost = r == 0 ? 0 : record->lost + kind->count;
        kind->count = 0;
        return r;
}

/* Kinds. */

static bool kind_is_near(const OpenerRecordKind *a, const OpenerRecordKind *b) {
        return a->uid == b->uid && a->request.access == b->request.access &&
               (a->various || b->various || streq(a->request.instance, b->request.instance));
}

static bool kind_is_same(const OpenerRecordKind *a, const OpenerRecordKind *b) {
        return kind_is_near(a, b) && a->various == b->various &&
               a->reply.status == b->reply.status &&
               (a->various ||
                (a->reply.error == b->reply.error && streq(a->reply.detail, b->reply.detail)));
}

static OpenerRecordKind *record_find(OpenerRecord *record, const OpenerRecordKind *kind) {
        for (size_t i = 0; i < record->n_kinds; i++)
                if (kind_is_same(&record->kinds[i], kind))
                        return &record->kinds[i];

        return NULL;
}

static size_t record_count_kinds(const OpenerRecord *record, uid_t uid) {
        size_t n = 0;

        for (size_t i = 0; i < record->n_kinds; i++)
                n += record->kinds[i].uid == uid && !record->kinds[i].various;
        return n;
}

/* Forgets the oldest ones. */
static void record_forget(OpenerRecord *record, size_t n) {
        record->n_kinds -= n;
        memmove(record->kinds, record->kinds + n, record->n_kinds * sizeof(record->kinds[0]));
}

/* Writes one of a new kind at once, behind what waits of the same. */
static void record_begin(OpenerRecord *record, OpenerRecordKind *kind) {
        for (size_t i = 0; i < record->n_kinds; i++)
                if (kind_is_near(&record->kinds[i], kind))
                        (void)record_write(record, &record->kinds[i]);

        if (record->n_kinds == OPENER_RECORD_KINDS_MAX) {
                (void)record_write(record, &record->kinds[0]);
                record_forget(record, 1);
        }

        (void)record_write(record, kind);
        record->kinds[record->n_kinds++] = *kind;
}

void opener_record_put(OpenerRecord *record, const OpenerRequest *request, uid_t uid,
                       const OpenerReply *reply, uint64_t now) {
        OpenerRecordKind kind = {
                .uid = uid,
                .request = *request,
                .reply = *reply,
                .count = 1,
                .end_at = now + OPENER_RECORD_USEC,
        };
        OpenerRecordKind *found;

        opener_record_flush(record, now);

        found = record_find(record, &kind);
        if (!found && record_count_kinds(record, uid) >= OPENER_RECORD_KINDS_PER_UID_MAX) {
                kind.various = true;
                found = record_find(record, &kind);
        }

        if (found) {
                found->count++;
                found->request = *request; /* the same, or the last of various ones */
                found->reply = *reply;
        } else
                record_begin(record, &kind);
}

uint64_t opener_record_get_deadline(const OpenerRecord *record) {
        for (size_t i = 0; i < record->n_kinds; i++)
                if (record->kinds[i].count > 0)
                        return record->kinds[i].end_at;

        return UINT64_MAX;
}

void opener_record_flush(OpenerRecord *record, uint64_t now) {
        size_t n;
        int r = 0;

        /* A journal that stands still is waited for once, and not for each of them. */
        for (n = 0; n < record->n_kinds && record->kinds[n].end_at <= now; n++)
                if (r == 0)
                        r = record_write(record, &record->kinds[n]);
                else
                        record->lost += record->kinds[n].count;

        if (n > 0)
                record_forget(record, n);
}
