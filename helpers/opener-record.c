/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <syslog.h>

#include "common/peer.h"
#include "helpers/opener-record.h"

void opener_record_deinit(OpenerRecord *record) {
        record->fd = close_fd(record->fd);
}

static void entry_put_message(JournalEntry *entry, const char *name, const OpenerRequest *request,
                              uid_t uid, const OpenerReply *reply) {
        const char *access = access_to_string(request->access);
        char whom[32] = "nobody";

        if (uid != PEER_UID_INVALID)
                (void)snprintf(whom, sizeof(whom), "uid %u", (unsigned)uid);

        if (reply->status == OPENER_OK)
                journal_entry_putf(entry, "MESSAGE", "Opened %s at %s for %s.", name, access, whom);
        else
                journal_entry_putf(entry, "MESSAGE", "Did not open %s at %s for %s: %s (%s)", name,
                                   access, whom, reply->detail,
                                   opener_status_to_string(reply->status));
}

static void entry_put(JournalEntry *entry, const OpenerRecord *record, const OpenerRequest *request,
                      uid_t uid, const OpenerReply *reply) {
        char name[NAME_TEXT_SIZE];
        bool ok = reply->status == OPENER_OK;

        (void)snprintf(name, sizeof(name), "%s%s%s", record->endpoint,
                       request->instance[0] ? "@" : "", request->instance);

        entry_put_message(entry, name, request, uid, reply);
        journal_entry_put(entry, "MESSAGE_ID", OPENER_RECORD_ID);
        journal_entry_put_number(entry, "PRIORITY", ok ? LOG_INFO : LOG_NOTICE);
        journal_entry_put(entry, "SYSLOG_IDENTIFIER", "doorward-opener");
        journal_entry_put(entry, "DOORWARD_ENDPOINT", name);
        journal_entry_put(entry, "DOORWARD_ACCESS", access_to_string(request->access));
        if (uid != PEER_UID_INVALID)
                journal_entry_put_number(entry, "DOORWARD_OPENER_UID", uid);
        journal_entry_put(entry, "DOORWARD_OPENER_STATUS", opener_status_to_string(reply->status));
        if (reply->error != 0)
                journal_entry_putf(entry, "ERRNO", "%d", reply->error);
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

void opener_record_send(OpenerRecord *record, const OpenerRequest *request, uid_t uid,
                        const OpenerReply *reply) {
        JournalEntry entry;
        int r = -ENOBUFS;

        journal_entry_init(&entry);
        entry_put(&entry, record, request, uid, reply);

        /* journald may have been started anew since: a second try has a new socket. */
        for (unsigned i = 0; i < 2 && !entry.failed; i++) {
                r = record->fd >= 0 ? 0 : record_open(record);
                if (r == 0)
                        r = journal_send(record->fd, entry.data, entry.size);
                if (r == 0 || r == -EAGAIN || r == -EMSGSIZE)
                        break;
                record->fd = close_fd(record->fd);
        }

        record->lost = r == 0 ? 0 : record->lost + 1;
}
