#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes: a bounded reader and writer
 *
 * Little endian whatever the machine, no buffer is ever cast to a struct, and the first failure
 * sticks: read everything, then ask once with bytes_get_end() whether it was all there and nothing
 * more. A failed read yields zeroes.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct BytesReader {
        const uint8_t *data;
        size_t size;
        bool failed;
} BytesReader;

typedef struct BytesWriter {
        uint8_t *data;
        size_t size;
        size_t used;
        bool failed;
} BytesWriter;

uint8_t bytes_get_u8(BytesReader *reader);
uint32_t bytes_get_u32(BytesReader *reader);
uint64_t bytes_get_u64(BytesReader *reader);
/* A u16 length, then that many bytes without a NUL. size is the buffer's and counts the NUL that is
 * written behind them; a longer string fails. */
void bytes_get_str(BytesReader *reader, char *buf, size_t size);
/* The same of printable ASCII alone; anything else in it fails. */
void bytes_get_printable(BytesReader *reader, char *buf, size_t size);
/* 0 if every read succeeded and nothing is left, else -EBADMSG. */
int bytes_get_end(const BytesReader *reader) _must_check_;

void bytes_put_u8(BytesWriter *writer, uint8_t value);
void bytes_put_u32(BytesWriter *writer, uint32_t value);
void bytes_put_u64(BytesWriter *writer, uint64_t value);
void bytes_put_str(BytesWriter *writer, const char *text);
/* The same with what is not printable ASCII replaced, and what is beyond max bytes cut. */
void bytes_put_printable(BytesWriter *writer, const char *text, size_t max);
/* The number of bytes written, where the buffer is large enough by construction. */
size_t bytes_put_whole(const BytesWriter *writer) _must_check_;
/* The number of bytes written, or -ENOBUFS. */
ssize_t bytes_put_end(const BytesWriter *writer) _must_check_;
