#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Audit protocol: what the broker has written into the kernel's audit log
 *
 * One seqpacket message for each decision and each end of a lease, little endian, and no answer:
 *
 *   u32 version, u8 type, u8 access, u32 uid, u32 identity, u32 pid, u32 login, u32 session,
 *   str endpoint (at most 113), str reason (48), str lease (32), str request (16), u32 lost
 *
 * A str is a u16 length and that many bytes. Each is of an alphabet in which nothing could be taken
 * for a field of the log: what it says there is the helper's to word. Encoding and decoding work on
 * plain buffers.
 *
 * A helper that is about to end shuts the connection for reading and writes what had arrived. A
 * message that fails with EPIPE was therefore seen by nobody, and can be sent again on a new
 * connection, which starts the helper anew.
 */

#include "common/macros.h"
#include "common/name.h"
#include "common/terms.h"

#define AUDIT_PROTOCOL_VERSION 1U
#define AUDIT_PROTOCOL_REASON_SIZE 49
#define AUDIT_PROTOCOL_LEASE_SIZE 33
#define AUDIT_PROTOCOL_REQUEST_SIZE 17
/* A message at its longest, rounded up. */
#define AUDIT_PROTOCOL_SIZE 320
/* A number that is not known, as the kernel writes it, too: a login user, or a session, that there
 * is none of. */
#define AUDIT_PROTOCOL_UNSET UINT32_MAX

typedef enum AuditType {
        AUDIT_TYPE_GRANT = 1,
        AUDIT_TYPE_REFUSAL,
        AUDIT_TYPE_END,
        _AUDIT_TYPE_MAX,
} AuditType;

typedef struct AuditEvent {
        AuditType type;
        Access access;     /* 0: a refusal of something else than an endpoint's access */
        uint32_t uid;      /* who asked */
        uint32_t identity; /* as whom it was judged */
        uint32_t pid;
        uint32_t login;                            /* the user who logged in, and */
        uint32_t session;                          /* where, by the kernel's audit */
        char endpoint[NAME_TEXT_SIZE];             /* "" if none was named */
        char reason[AUDIT_PROTOCOL_REASON_SIZE];   /* of a refusal the error, of an end why */
        char lease[AUDIT_PROTOCOL_LEASE_SIZE];     /* hexadecimal, or "" */
        char request[AUDIT_PROTOCOL_REQUEST_SIZE]; /* likewise */
        uint32_t lost;                             /* events before this one that were not sent */
} AuditEvent;

/* The length of the message. What is not of its alphabet is left out. */
size_t audit_event_encode(const AuditEvent *event, uint8_t buf[AUDIT_PROTOCOL_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. */
int audit_event_decode(const uint8_t *buf, size_t size, AuditEvent *ret) _must_check_;
