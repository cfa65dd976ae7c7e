/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "common/bytes.h"

/* The next n bytes, or NULL when fewer are left. */
static const uint8_t *bytes_take(BytesReader *reader, size_t n) {
        const uint8_t *data = reader->data;

        if (reader->failed || n > reader->size) {
                reader->failed = true;
                return NULL;
        }

        reader->data += n;
        reader->size -= n;
        return data;
}

static uint64_t bytes_get_uint(BytesReader *reader, size_t n) {
        const uint8_t *data = bytes_take(reader, n);
        uint64_t value = 0;

        for (size_t i = 0; data && i < n; i++)
                value |= (uint64_t)data[i] << (8 * i);

        return value;
}

uint8_t bytes_get_u8(BytesReader *reader) {
        return (uint8_t)bytes_get_uint(reader, 1);
}

uint32_t bytes_get_u32(BytesReader *reader) {
        return (uint32_t)bytes_get_uint(reader, 4);
}

uint64_t bytes_get_u64(BytesReader *reader) {
        return bytes_get_uint(reader, 8);
}

void bytes_get_str(BytesReader *reader, char *buf, size_t size) {
        size_t n = bytes_get_uint(reader, 2);
        const uint8_t *data = NULL;

        if (n < size)
                data = bytes_take(reader, n);

        if (!data || memchr(data, 0, n)) {
                reader->failed = true;
                buf[0] = 0;
                return;
        }

        memcpy(buf, data, n);
        buf[n] = 0;
}

static bool is_printable(char c) {
        return c >= ' ' && c <= '~';
}

void bytes_get_printable(BytesReader *reader, char *buf, size_t size) {
        bytes_get_str(reader, buf, size);
        for (const char *c = buf; *c; c++)
                if (!is_printable(*c)) {
                        reader->failed = true;
                        buf[0] = 0;
                }
}

int bytes_get_end(const BytesReader *reader) {
        return reader->failed || reader->size > 0 ? -EBADMSG : 0;
}

static uint8_t *bytes_reserve(BytesWriter *writer, size_t n) {
        uint8_t *data = writer->data + writer->used;

        if (writer->failed || n > writer->size - writer->used) {
                writer->failed = true;
                return NULL;
        }

        writer->used += n;
        return data;
}

static void bytes_put_uint(BytesWriter *writer, uint64_t value, size_t n) {
        uint8_t *data = bytes_reserve(writer, n);

        for (size_t i = 0; data && i < n; i++)
                data[i] = (uint8_t)(value >> (8 * i));
}

void bytes_put_u8(BytesWriter *writer, uint8_t value) {
        bytes_put_uint(writer, value, 1);
}

void bytes_put_u32(BytesWriter *writer, uint32_t value) {
        bytes_put_uint(writer, value, 4);
}

void bytes_put_u64(BytesWriter *writer, uint64_t value) {
        bytes_put_uint(writer, value, 8);
}

void bytes_put_str(BytesWriter *writer, const char *text) {
        size_t n = strlen(text);
        uint8_t *data;

        if (n > UINT16_MAX)
                writer->failed = true;
        bytes_put_uint(writer, n, 2);

        data = bytes_reserve(writer, n);
        if (data)
                memcpy(data, text, n);
}

void bytes_put_printable(BytesWriter *writer, const char *text, size_t max) {
        size_t n = strnlen(text, max);
        uint8_t *data;

        if (n > UINT16_MAX)
                writer->failed = true;
        bytes_put_uint(writer, n, 2);

        data = bytes_reserve(writer, n);
        for (size_t i = 0; data && i < n; i++)
                data[i] = (uint8_t)(is_printable(text[i]) ? text[i] : '?');
}

size_t bytes_put_whole(const BytesWriter *writer) {
        assert(!writer->failed && writer->used > 0);
        return writer->used;
}

ssize_t bytes_put_end(const BytesWriter *writer) {
        return writer->failed ? -ENOBUFS : (ssize_t)writer->used;
}
