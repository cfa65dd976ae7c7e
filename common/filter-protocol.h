#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Filter protocol: what the broker asks of a filter
 *
 * One process of the filter serves one connection, and is told of it once. Seqpacket, little
 * endian, nothing optional.
 *
 *   request  u32 version, str filter (≤ 32), str profile (≤ 32), str endpoint    + 1 descriptor
 *   reply    u32 version, u8 1                                                   + 1 descriptor
 *            u32 version, u8 2, u32 errno, str text (≤ 200)
 *
 * A str is a u16 length and that many bytes, none of them NUL; a text is printable ASCII. The
 * descriptor of a request is the backend's connection, of which the broker keeps no copy; that of a
 * reply is the client's end of a pair of which the filter has the other. endpoint is what the
 * client has asked for, for the filter to name in what it refuses.
 *
 * After a reply of the first kind nothing more is said. The connection stays, and is what both live
 * by: the broker hangs up to end the filter, and so both of its sides; a filter ends when either of
 * its sides does, and the broker sees it hang up.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/name.h"

#define FILTER_PROTOCOL_VERSION 1U
#define FILTER_WORD_MAX 32
#define FILTER_TEXT_MAX 200
/* A request and a reply at their longest, rounded up. */
#define FILTER_MESSAGE_SIZE 256

typedef struct FilterRequest {
        char filter[FILTER_WORD_MAX + 1];
        char profile[FILTER_WORD_MAX + 1];
        char endpoint[NAME_TEXT_SIZE];
} FilterRequest;

typedef struct FilterReply {
        bool ok;
        int error;                      /* if not: an errno, never 0, */
        char text[FILTER_TEXT_MAX + 1]; /* and what went wrong */
} FilterReply;

/* Each returns the length of the message. A text with bytes that are not printable has them
 * replaced. */
size_t filter_request_encode(const FilterRequest *request, uint8_t buf[FILTER_MESSAGE_SIZE]);
size_t filter_reply_encode(const FilterReply *reply, uint8_t buf[FILTER_MESSAGE_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. Which filters and
 * profiles there are is not asked here: see common/filter-profile.h. */
int filter_request_decode(const uint8_t *buf, size_t size, FilterRequest *ret) _must_check_;
int filter_reply_decode(const uint8_t *buf, size_t size, FilterReply *ret) _must_check_;
