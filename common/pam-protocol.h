#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PAM protocol: what the broker asks of the PAM helper
 *
 * One process of the helper serves one request. Seqpacket, little endian, nothing optional.
 *
 *   request  u32 version, u8 use, u32 tty, u32 uid, str user (≤ 256), str cookie (≤ 4096)
 *                                                                          + 1 descriptor
 *   begun    u8 1                                                          + 1 descriptor
 *   verdict  u8 2, u8 code, u32 uid, str name (≤ 256), str detail (≤ 200)
 *
 * A str is a u16 length and that many bytes, none of them NUL; cookie and detail are printable
 * ASCII. The descriptor of a request is the client's own connection to the broker, from which the
 * helper itself reads who the client is; that of begun is the client's end of the conversation, for
 * the broker to pass on. Begun comes at most once (never for PAM_USE_ACCOUNT), and the verdict is
 * the last message. The helper sends as root; the broker takes it from nobody else. Without a
 * verdict, nothing was proven.
 */

#include <sys/types.h>

#include "common/macros.h"

#define PAM_PROTOCOL_VERSION 1U
#define PAM_PROTOCOL_USER_MAX 256
#define PAM_PROTOCOL_COOKIE_MAX 4096
#define PAM_PROTOCOL_DETAIL_MAX 200
/* A request at its longest, and whatever the helper sends, rounded up. */
#define PAM_REQUEST_SIZE 4384
#define PAM_REPLY_SIZE 480

/* No user; no terminal. */
#define PAM_PROTOCOL_NO_UID UINT32_MAX
#define PAM_PROTOCOL_NO_TTY 0U

typedef enum PamUse {
        PAM_USE_IDENTITY = 1, /* prove to be user; with "" the conversation asks who that is */
        PAM_USE_STEP_UP,      /* prove to be the client */
        PAM_USE_ACCOUNT,      /* may the client's account be used now; no conversation */
        PAM_USE_AGENT,        /* prove to be the user uid, and tell polkit by its cookie */
        _PAM_USE_MAX,
} PamUse;

typedef struct PamRequest {
        PamUse use;
        uint32_t tty; /* the client's controlling terminal, as /proc/PID/stat has it */
        uint32_t uid; /* of PAM_USE_AGENT */
        char user[PAM_PROTOCOL_USER_MAX + 1];
        char cookie[PAM_PROTOCOL_COOKIE_MAX + 1];
} PamRequest;

typedef enum VerdictCode {
        VERDICT_PROVEN = 1,       /* uid and name are who it is */
        VERDICT_FAILED,           /* the password, or whatever was asked for, was wrong */
        VERDICT_CANCELLED,        /* the client cancelled, hung up, or did not answer in time */
        VERDICT_CLIENT,           /* the descriptor is not a client's connection */
        VERDICT_USER,             /* not a user who is authenticated here */
        VERDICT_ACCOUNT,          /* the account may not be used: expired, locked, not now */
        VERDICT_PASSWORD_EXPIRED, /* it has to be changed first */
        VERDICT_CHANGED,          /* PAM ended with another user than it began with */
        VERDICT_UNAVAILABLE,      /* PAM failed, or is not set up */
        VERDICT_POLKIT,           /* proven, and polkit did not take it */
        _VERDICT_MAX,
} VerdictCode;

typedef enum PamReplyType {
        PAM_REPLY_BEGUN = 1,
        PAM_REPLY_VERDICT,
} PamReplyType;

typedef struct PamReply {
        PamReplyType type;
        VerdictCode code; /* the rest is a verdict's */
        uint32_t uid;     /* PAM_PROTOCOL_NO_UID unless proven */
        char name[PAM_PROTOCOL_USER_MAX + 1];
        char detail[PAM_PROTOCOL_DETAIL_MAX + 1]; /* for the record: why */
} PamReply;

/* Each returns the length of the message. A detail with bytes that are not printable has them
 * replaced. */
size_t pam_request_encode(const PamRequest *request, uint8_t buf[PAM_REQUEST_SIZE]);
size_t pam_reply_encode(const PamReply *reply, uint8_t buf[PAM_REPLY_SIZE]);

/* -EBADMSG for anything but exactly one well-formed message of this version. A verdict that is
 * proven has a uid and a name, and no other has. */
int pam_request_decode(const uint8_t *buf, size_t size, PamRequest *ret) _must_check_;
int pam_reply_decode(const uint8_t *buf, size_t size, PamReply *ret) _must_check_;

/* "password-expired", for records. */
const char *verdict_code_to_string(VerdictCode code);
