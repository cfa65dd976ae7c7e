/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#include "broker/audit.h"
#include "broker/record.h"
#include "common/utf8.h"
#include "config.h"

/* When there is no journal socket at all, how often it is looked for while something waits. */
#define REOPEN_USEC (250 * UINT64_C(1000))

typedef struct QueuedEntry QueuedEntry;

struct QueuedEntry {
        QueuedEntry *next, *previous; /* Record::first, oldest first */
        RecordWaiter *waiter;
        size_t size;
        char data[];
};

struct Record {
        sd_event *event;
        sd_event_source *io;     /* EPOLLOUT, while something waits and the socket is there */
        sd_event_source *reopen; /* while something waits and it is not */
        char *journal;           /* where journald listens */
        Audit *audit;            /* is told of what that has taken */
        int fd;
        QueuedEntry *first, *last;
        size_t n_queued, queue_max;
        unsigned n_dropped;
        bool trace;
};

struct RecordWaiter {
        Record *record;
        QueuedEntry *entry;
        sd_event_source *timer;
        RecordFunc func;
        void *userdata;
};

static void record_drain(Record *record);

/* Waiters. */

static RecordWaiter *waiter_free(RecordWaiter *waiter) {
        sd_event_source_disable_unref(waiter->timer);
        free(waiter);
        return NULL;
}

static void waiter_finish(RecordWaiter *waiter, int error) {
        RecordFunc func = waiter->func;
        void *userdata = waiter->userdata;

        waiter_free(waiter);
        func(error, userdata);
}

/* The queue. */

static void queue_remove(Record *record, QueuedEntry *entry) {
        if (entry->previous)
                entry->previous->next = entry->next;
        else
                record->first = entry->next;
        if (entry->next)
                entry->next->previous = entry->previous;
        else
                record->last = entry->previous;
        record->n_queued--;
        free(entry);
}

/* Makes room for one entry. A grant that waits is not dropped: its timer sees to it. */
static bool queue_make_room(Record *record) {
        QueuedEntry *entry = record->first;

        if (record->n_queued < record->queue_max)
                return true;

        while (entry && entry->waiter)
                entry = entry->next;
        if (!entry)
                return false;

        queue_remove(record, entry);
        record->n_dropped++;
        return true;
}

static QueuedEntry *queue_append(Record *record, const JournalEntry *entry) {
        QueuedEntry *queued =
                queue_make_room(record) ? malloc(sizeof(*queued) + entry->size) : NULL;

        if (!queued)
                return NULL;

        *queued = (QueuedEntry){.previous = record->last, .size = entry->size};
        memcpy(queued->data, entry->data, entry->size);
        if (record->last)
                record->last->next = queued;
        else
                record->first = queued;
        record->last = queued;
        record->n_queued++;
        return queued;
}

/* The socket. */

static void record_close(Record *record) {
        record->io = sd_event_source_disable_unref(record->io);
        record->fd = close_fd(record->fd);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        record_drain(userdata);
        return 0;
}

static int on_reopen(sd_event_source *source, uint64_t usec, void *userdata) {
        record_drain(userdata);
        return 0;
}

static int record_open(Record *record) {
        int r;

        if (record->fd >= 0)
                return 0;

        r = journal_open(record->journal, &record->fd);
        if (r < 0)
                return r;

        r = sd_event_add_io(record->event, &record->io, record->fd, EPOLLOUT, on_io, record);
        if (r >= 0)
                r = sd_event_source_set_enabled(record->io, SD_EVENT_OFF);
        if (r < 0)
                record_close(record);
        return r;
}

/* Sends one entry, with a new socket where the old one is dead. */
static int record_send(Record *record, const void *data, size_t size) {
        int r = -ENOTCONN;

        for (unsigned i = 0; i < 2; i++) {
                r = record_open(record);
                if (r < 0)
                        return r;

                r = journal_send(record->fd, data, size);
                if (r >= 0)
                        audit_put(record->audit, data, size);
                if (r >= 0 || r == -EAGAIN || r == -EMSGSIZE)
                        return r;
                record_close(record);
        }

        return r;
}

/* Arranges for the queue to be looked at again. */
static void record_watch(Record *record) {
        bool waiting = record->first != NULL;

        if (record->io)
                (void)sd_event_source_set_enabled(record->io, waiting ? SD_EVENT_ON : SD_EVENT_OFF);

        if (waiting && !record->io) {
                (void)sd_event_source_set_time_relative(record->reopen, REOPEN_USEC);
                (void)sd_event_source_set_enabled(record->reopen, SD_EVENT_ONESHOT);
        } else
                (void)sd_event_source_set_enabled(record->reopen, SD_EVENT_OFF);
}

static void record_drain(Record *record) {
        QueuedEntry *entry;

        while ((entry = record->first)) {
                RecordWaiter *waiter = entry->waiter;
                int r = record_send(record, entry->data, entry->size);

                if (r < 0 && r != -EMSGSIZE)
                        break;

                if (r < 0)
                        record->n_dropped++;
                queue_remove(record, entry);
                if (waiter)
                        waiter_finish(waiter, r);
        }

        record_watch(record);

        if (!record->first && record->n_dropped > 0) {
                unsigned n = record->n_dropped;

                record->n_dropped = 0;
                record_log(record, LOG_WARNING, RECORD_ID_DROPPED,
                           "%u records of refusals or ends were lost, since the journal did not "
                           "take them in time.",
                           n);
        }
}

static int on_waiter_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        RecordWaiter *waiter = userdata;

        queue_remove(waiter->record, waiter->entry);
        waiter_finish(waiter, -ETIMEDOUT);
        return 0;
}

int record_new(sd_event *event, const char *journal, size_t queue_max, Record **ret) {
        _cleanup_(record_freep) Record *record = calloc(1, sizeof(*record));
        int r;

        if (!record)
                return -ENOMEM;

        record->fd = -EBADF;
        record->journal = strdup(journal);
        if (!record->journal)
                return -ENOMEM;
        r = audit_new(AUDIT_SOCKET, &record->audit);
        if (r < 0)
                return r;
        record->event = sd_event_ref(event);
        record->queue_max = queue_max;

        r = sd_event_add_time(event, &record->reopen, CLOCK_MONOTONIC, 0, 0, on_reopen, record);
        if (r >= 0)
                r = sd_event_source_set_enabled(record->reopen, SD_EVENT_OFF);
        if (r < 0)
                return r;

        /* Where there is no journal yet, the first entry tries again. */
        (void)record_open(record);

        *ret = TAKE_PTR(record);
        return 0;
}

Record *record_free(Record *record) {
        if (!record)
                return NULL;

        while (record->first) {
                if (record->first->waiter)
                        waiter_free(record->first->waiter);
                queue_remove(record, record->first);
        }
        record_close(record);
        sd_event_source_disable_unref(record->reopen);
        sd_event_unref(record->event);
        audit_free(record->audit);
        free(record->journal);
        free(record);
        return NULL;
}

/* Sends at once if nothing waits already: 1, 0 if it has to be queued, -errno if it cannot be sent
 * at all. */
static int record_try(Record *record, const JournalEntry *entry) {
        int r;

        if (entry->failed)
                return -EMSGSIZE;
        if (record->first)
                return 0;

        r = record_send(record, entry->data, entry->size);
        return r == -EMSGSIZE ? r : r >= 0;
}

void record_put(Record *record, const JournalEntry *entry) {
        int r = record_try(record, entry);

        if (r < 0 || (r == 0 && !queue_append(record, entry)))
                record->n_dropped++;
        record_watch(record);
}

int record_put_and_wait(Record *record, const JournalEntry *entry, uint64_t usec, RecordFunc func,
                        void *userdata, RecordWaiter **ret) {
        RecordWaiter *waiter;
        int r;

        r = record_try(record, entry);
        if (r != 0)
                return r;

        waiter = calloc(1, sizeof(*waiter));
        if (!waiter)
                return -ENOMEM;

        *waiter = (RecordWaiter){.record = record, .func = func, .userdata = userdata};
        r = sd_event_add_time_relative(record->event, &waiter->timer, CLOCK_MONOTONIC, usec, 0,
                                       on_waiter_timer, waiter);
        if (r >= 0) {
                waiter->entry = queue_append(record, entry);
                if (!waiter->entry)
                        r = -ENOBUFS;
        }
        if (r < 0) {
                waiter_free(waiter);
                return r;
        }

        waiter->entry->waiter = waiter;
        record_watch(record);
        *ret = waiter;
        return 0;
}

RecordWaiter *record_waiter_cancel(RecordWaiter *waiter) {
        if (!waiter)
                return NULL;

        queue_remove(waiter->record, waiter->entry);
        record_watch(waiter->record);
        return waiter_free(waiter);
}

bool record_is_pending(const Record *record) {
        return record->first;
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void record_flush(Record *record, uint64_t idle_usec, uint64_t usec) {
        uint64_t now = now_usec(), end = now + usec, idle_end = now + idle_usec;

        record_drain(record);
        while (record->first && now < end && now < idle_end) {
                uint64_t left = (end < idle_end ? end : idle_end) - now;
                size_t before = record->n_queued;

                /* Where there is no socket, poll(2) only sleeps. */
                if (record->fd < 0 && left > REOPEN_USEC)
                        left = REOPEN_USEC;
                (void)poll(&(struct pollfd){.fd = record->fd, .events = POLLOUT}, 1,
                           (int)(left / 1000) + 1);
                record_drain(record);

                now = now_usec();
                if (record->n_queued < before)
                        idle_end = now + idle_usec;
        }
}

/* Entries. */

static void entry_begin(JournalEntry *entry, int level, const char *message_id) {
        journal_entry_init(entry);
        if (message_id)
                journal_entry_put(entry, "MESSAGE_ID", message_id);
        journal_entry_put_number(entry, "PRIORITY", (unsigned)level);
        journal_entry_put(entry, "SYSLOG_IDENTIFIER", "doorwardd");
}

void record_log(Record *record, int level, const char *message_id, const char *format, ...) {
        JournalEntry entry;
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);

        entry_begin(&entry, level, message_id);
        journal_entry_put(&entry, "MESSAGE", text);
        record_put(record, &entry);
}

void record_set_trace(Record *record, bool on) {
        record->trace = on;
}

bool record_has_trace(const Record *record) {
        return record->trace;
}

void record_trace(Record *record, const char *request, const char *format, ...) {
        JournalEntry entry;
        char text[1024];
        va_list args;

        if (!record->trace || record->fd < 0 || record_is_pending(record))
                return;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        utf8_clean(text, sizeof(text));

        entry_begin(&entry, LOG_DEBUG, NULL);
        journal_entry_put(&entry, "MESSAGE", text);
        if (request && request[0])
                journal_entry_put(&entry, "DOORWARD_REQUEST", request);
        /* It is nothing that would be missed. */
        if (!entry.failed)
                (void)!journal_send(record->fd, entry.data, entry.size);
}

static void entry_put(JournalEntry *entry, const char *name, const char *value) {
        if (value && value[0])
                journal_entry_put(entry, name, value);
}

static void entry_put_fields(JournalEntry *entry, const RecordFields *f) {
        entry_put(entry, "DOORWARD_ENDPOINT", f->endpoint);
        if (f->access)
                entry_put(entry, "DOORWARD_ACCESS", access_to_string(f->access));
        if (f->decision)
                entry_put(entry, "DOORWARD_DECISION", decision_to_string(f->decision));
        if (f->how)
                entry_put(entry, "DOORWARD_HOW", how_to_string(f->how));
        entry_put(entry, "DOORWARD_POLICY", f->policy);
        entry_put(entry, "DOORWARD_PROOF", f->proof);
        entry_put(entry, "DOORWARD_ACTION", f->action);
        entry_put(entry, "DOORWARD_ERROR", f->error);
        entry_put(entry, "DOORWARD_CAUSE", f->cause);
        journal_entry_put_number(entry, "DOORWARD_SUBJECT_UID", f->subject_uid);
        journal_entry_put_number(entry, "DOORWARD_IDENTITY_UID", f->identity_uid);
        entry_put(entry, "DOORWARD_IDENTITY_ASKED", f->asked);
        journal_entry_put_number(entry, "DOORWARD_SUBJECT_PID", (uint64_t)f->subject_pid);
        entry_put(entry, "DOORWARD_SUBJECT_UNIT", f->unit);
        entry_put(entry, "DOORWARD_SUBJECT_SESSION", f->session);
        entry_put(entry, "DOORWARD_CONNECT_AS", f->connect_as);
        entry_put(entry, "DOORWARD_LEASE", f->lease);
        if (f->mode)
                entry_put(entry, "DOORWARD_MODE", lease_mode_to_string(f->mode));
        if (f->opened > 0)
                journal_entry_put_number(entry, "DOORWARD_OPENED", f->opened);
        if (f->reason)
                entry_put(entry, "DOORWARD_REASON", end_reason_to_string(f->reason));
        if (f->ended_by)
                journal_entry_put_number(entry, "DOORWARD_ENDED_BY_UID", *f->ended_by);
        entry_put(entry, "DOORWARD_REQUEST", f->request);
        if (f->suppressed > 0)
                journal_entry_put_number(entry, "DOORWARD_SUPPRESSED", f->suppressed);
}

void record_format_grant(JournalEntry *entry, const RecordFields *f) {
        entry_begin(entry, LOG_NOTICE, RECORD_ID_GRANTED);
        journal_entry_putf(
                entry, "MESSAGE", "Granted %s access to %s to process %d of user %u%s%s.",
                access_to_string(f->access), f->endpoint, (int)f->subject_pid,
                (unsigned)f->subject_uid, f->policy ? ", as it is observed; polkit's answer: " : "",
                f->policy ?: "");
        entry_put_fields(entry, f);
}

void record_format_refusal(JournalEntry *entry, const RecordFields *f) {
        entry_begin(entry, LOG_NOTICE, RECORD_ID_REFUSED);
        journal_entry_putf(entry, "MESSAGE",
                           "Refused %s access to %s to process %d of user %u: %s%s%s",
                           f->access ? access_to_string(f->access) : "any",
                           f->endpoint && f->endpoint[0] ? f->endpoint : "an endpoint",
                           (int)f->subject_pid, (unsigned)f->subject_uid, f->error,
                           f->cause ? ", " : ".", f->cause ? f->cause : "");
        entry_put_fields(entry, f);
}

void record_format_sender(JournalEntry *entry, const RecordFields *f, pid_t pid, uid_t uid) {
        char more[64] = "";

        if (f->suppressed > 0)
                (void)snprintf(more, sizeof(more), " %u refusals before this one were left out.",
                               f->suppressed);
        entry_begin(entry, LOG_WARNING, RECORD_ID_SENDER_MISMATCH);
        journal_entry_putf(entry, "MESSAGE",
                           "Closed the connection of process %d of user %u: process %d of user %u "
                           "wrote on it.%s",
                           (int)f->subject_pid, (unsigned)f->subject_uid, (int)pid, (unsigned)uid,
                           more);
        entry_put_fields(entry, f);
        journal_entry_put(entry, "DOORWARD_CAUSE", "sender-mismatch");
        journal_entry_put_number(entry, "DOORWARD_SENDER_PID", (uint64_t)pid);
        journal_entry_put_number(entry, "DOORWARD_SENDER_UID", uid);
}

void record_format_end(JournalEntry *entry, const RecordFields *f) {
        entry_begin(entry, LOG_INFO, RECORD_ID_ENDED);
        journal_entry_putf(entry, "MESSAGE",
                           "Ended %s access to %s of process %d of user %u: %s.%s",
                           access_to_string(f->access), f->endpoint, (int)f->subject_pid,
                           (unsigned)f->subject_uid, end_reason_to_string(f->reason),
                           f->irrevocable ? " What was handed over goes on until its holder "
                                            "closes it: the kernel cannot recall it."
                                          : "");
        entry_put_fields(entry, f);
}

void record_format_observation(JournalEntry *entry, const RecordObservation *o) {
        entry_begin(entry, LOG_WARNING, RECORD_ID_OBSERVED);
        if (o->n_granted > 0)
                journal_entry_putf(entry, "MESSAGE",
                                   "%s. Since this was last said, %u were granted so, of which "
                                   "polkit would have granted %u.",
                                   o->text, o->n_granted, o->n_granted - o->n_refused);
        else
                journal_entry_putf(entry, "MESSAGE", "%s.", o->text);
        journal_entry_put(entry, "DOORWARD_ENDPOINT", o->endpoint);
        journal_entry_put(entry, "DOORWARD_OBSERVE_GROUP", o->group);
        journal_entry_put(entry, "DOORWARD_OBSERVE_UNTIL", o->until);
        journal_entry_put_number(entry, "DOORWARD_OBSERVE_GRANTED", o->n_granted);
        journal_entry_put_number(entry, "DOORWARD_OBSERVE_REFUSED", o->n_refused);
}
