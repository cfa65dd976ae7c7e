/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/decimal.h"
#include "common/journal.h"
#include "common/socket.h"

void journal_entry_init(JournalEntry *entry) {
        entry->size = 0;
        entry->failed = false;
}

void journal_entry_put(JournalEntry *entry, const char *name, const char *value) {
        size_t name_size = strlen(name), n = strlen(value);
        bool has_lines = memchr(value, '\n', n);
        char *p = entry->data + entry->size;

        /* What stands between and behind them: an equals sign and a newline, or instead of the sign
         * another newline and how long the value is. */
        if (entry->failed ||
            name_size + n + (has_lines ? 10 : 2) > sizeof(entry->data) - entry->size) {
                entry->failed = true;
                return;
        }

        p = mempcpy(p, name, name_size);
        *p++ = has_lines ? '\n' : '=';
        for (size_t i = 0; has_lines && i < 8; i++)
                *p++ = (char)((uint64_t)n >> (8 * i));
        p = mempcpy(p, value, n);
        *p++ = '\n';
        entry->size = (size_t)(p - entry->data);
}

void journal_entry_put_number(JournalEntry *entry, const char *name, uint64_t value) {
        char digits[DECIMAL_SIZE];

        journal_entry_put(entry, name, decimal_format(value, digits));
}

void journal_entry_putf(JournalEntry *entry, const char *name, const char *format, ...) {
        char value[1024];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(value, sizeof(value), format, args);
        va_end(args);

        if (n < 0 || (size_t)n >= sizeof(value)) {
                entry->failed = true;
                return;
        }

        journal_entry_put(entry, name, value);
}

typedef struct Field {
        const char *name, *value;
        size_t name_size, value_size;
} Field;

/* Takes the next field off what remains; false at the end, or where it is none. */
static bool field_next(const char **data, const char *end, Field *ret) {
        size_t left = (size_t)(end - *data), n;
        const char *line_end = left > 0 ? memchr(*data, '\n', left) : NULL;
        const char *equals;
        uint64_t length = 0;

        if (!line_end)
                return false;

        ret->name = *data;
        equals = memchr(*data, '=', (size_t)(line_end - *data));
        if (equals) {
                ret->name_size = (size_t)(equals - *data);
                ret->value = equals + 1;
                ret->value_size = (size_t)(line_end - ret->value);
                *data = line_end + 1;
                return true;
        }

        ret->name_size = (size_t)(line_end - *data);
        ret->value = line_end + 1 + sizeof(length);
        left = (size_t)(end - line_end) - 1;
        if (left < sizeof(length))
                return false;
        for (n = sizeof(length); n > 0; n--)
                length = length << 8 | (uint8_t)line_end[n];
        left -= sizeof(length);
        if (left == 0 || length > left - 1)
                return false;

        ret->value_size = (size_t)length;
        *data = ret->value + ret->value_size + 1;
        return true;
}

int journal_entry_get(const void *data, size_t size, const char *name, char *buf, size_t buf_size) {
        const char *p = data, *end = p + size;
        Field field;

        while (field_next(&p, end, &field)) {
                if (field.name_size != strlen(name) ||
                    memcmp(field.name, name, field.name_size) != 0)
                        continue;
                if (field.value_size >= buf_size)
                        return -ENOBUFS;
                memcpy(buf, field.value, field.value_size);
                buf[field.value_size] = 0;
                return 0;
        }

        return -ENOENT;
}

int journal_open(const char *path, int *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n;

        n = socket_address(path, &address);
        if (n < 0)
                return n;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -errno;

        *ret = TAKE_FD(fd);
        return 0;
}

int journal_send(int fd, const void *data, size_t size) {
        ssize_t n = socket_send(fd, data, size, -EBADF);

        return n < 0 ? (int)n : 0;
}
