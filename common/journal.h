#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Journal: the journal's native protocol, without ever waiting
 *
 * sd_journal_send(3) blocks when journald does not read, and a broker that blocks is a broker that
 * somebody can stop. So entries are encoded here and sent on a non-blocking socket; what could not
 * be sent is the caller's to queue. The format is systemd's documented "Native Journal Protocol":
 * KEY=value, or for a value with a new line KEY, its length as 64 little-endian bits and the bytes.
 */

#include <sys/types.h>

#include "common/macros.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* An entry of ours at its longest; what is longer is refused rather than cut. */
#define JOURNAL_ENTRY_SIZE 4096U

typedef struct JournalEntry {
        char data[JOURNAL_ENTRY_SIZE];
        size_t size;
        bool failed;
} JournalEntry;

void journal_entry_init(JournalEntry *entry);

/* Adds a field. The name is ours, of [A-Z0-9_]; the value is taken as it is, new lines included. */
void journal_entry_put(JournalEntry *entry, const char *name, const char *value);
void journal_entry_put_number(JournalEntry *entry, const char *name, uint64_t value);
void journal_entry_putf(JournalEntry *entry, const char *name, const char *format, ...)
        _printf_(3, 4);

/* Reads a field of an entry, with a NUL behind it: 0, -ENOENT if there is none of that name, or
 * -ENOBUFS if it is longer than the buffer. */
int journal_entry_get(const void *data, size_t size, const char *name, char *buf,
                      size_t buf_size) _must_check_;

/* A non-blocking socket connected to journald, which listens on JOURNAL_SOCKET. -errno. */
int journal_open(const char *path, int *ret) _must_check_;

/* Sends the data of one entry: 0, -EAGAIN if journald does not read at present, -EMSGSIZE if it is
 * more than the socket takes, or -errno: the socket is then to be opened anew. */
int journal_send(int fd, const void *data, size_t size) _must_check_;
