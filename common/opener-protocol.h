#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opener protocol: what the broker asks of an opener
 *
 * One seqpacket message each way, little endian, nothing optional. Encoding and decoding work on
 * plain buffers: who sends and receives them is not their business.
 *
 *   request  u32 version, u32 id, u8 access, str instance (at most 64), str definition (64)
 *                                                                          + 1 descriptor
 *   reply    u32 version, u32 id, u8 status, u32 errno, str detail (≤ 200)  + 1 descriptor iff ok
 *
 * A str is a u16 length and that many bytes, none of them NUL. The descriptor of a request is the
 * client's own connection to the broker, from which the opener itself reads who the client is.
 *
 * definition is the hash of the text by which the broker has judged the request: an opener whose
 * own is another is stale to it, whichever of the two has not been told of a change.
 *
 * An opener that is about to end shuts its connections for reading, answers what had arrived, and
 * closes them. A request that fails with EPIPE was therefore seen by nobody, and can be made again
 * on a new connection, which starts the opener anew.
 */

#include "common/macros.h"
#include "common/name.h"
#include "common/terms.h"

#define OPENER_PROTOCOL_VERSION 1U
#define OPENER_DETAIL_MAX 200
/* A SHA-256 in hexadecimal, and its NUL. */
#define OPENER_DEFINITION_SIZE 65
/* A request and a reply at their longest, rounded up. */
#define OPENER_MESSAGE_SIZE 256

typedef enum OpenerStatus {
        OPENER_OK = 1,
        OPENER_REFUSED_CLIENT, /* the descriptor is not a client's connection, or a client we refuse
                                */
        OPENER_NO_ACCESS,      /* the definition does not provide this access */
        OPENER_INSTANCE,       /* the template does not allow this instance */
        OPENER_STALE,          /* the definition changed since the unit was generated, or since the
                                  broker read it */
        OPENER_GROUP_MISSING,  /* a group or user of the definition does not exist here */
        OPENER_PATH,           /* the path cannot be walked, or not safely */
        OPENER_PEER_USER,      /* somebody else made the backend's socket */
        OPENER_TYPE,           /* what stands there is not of the defined kind */
        OPENER_OPEN,           /* open(2) or connect(2) failed */
        OPENER_TIMEOUT,        /* the backend's queue stayed full */
        OPENER_LIMIT,          /* too many requests of this client are in flight */
        OPENER_DISTURBED,      /* the process that acts as the client was ended or held up */
        _OPENER_STATUS_MAX,
} OpenerStatus;

typedef struct OpenerRequest {
        uint32_t id;
        Access access;
        char instance[NAME_INSTANCE_MAX + 1]; /* "" if the definition is no template */
        char definition[OPENER_DEFINITION_SIZE];
} OpenerRequest;

typedef struct OpenerReply {
        uint32_t id;
        OpenerStatus status;
        int error; /* errno, 0 if none */
        char detail[OPENER_DETAIL_MAX + 1];
} OpenerReply;

/* Each returns the length of the message. The buffers are large enough by construction. A detail
 * with bytes that are not printable has them replaced. */
size_t opener_request_encode(const OpenerRequest *request, uint8_t buf[OPENER_MESSAGE_SIZE]);
size_t opener_reply_encode(const OpenerReply *reply, uint8_t buf[OPENER_MESSAGE_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. */
int opener_request_decode(const uint8_t *buf, size_t size, OpenerRequest *ret) _must_check_;
int opener_reply_decode(const uint8_t *buf, size_t size, OpenerReply *ret) _must_check_;

/* "stale", for records. */
const char *opener_status_to_string(OpenerStatus status);
