#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Terms: doorward's words as enumerations
 *
 * Each has one spelling for people (read-only) and one on the wire (read_only: Varlink's enum
 * members cannot hold a hyphen). Both come from the same table, so they cannot drift apart.
 */

#include "common/macros.h"

/* How much of an endpoint is asked for. There is no zero value: unset memory grants nothing. */
typedef enum Access {
        ACCESS_READ_ONLY = 1,
        ACCESS_FULL,
        _ACCESS_MAX,
} Access;

/* What an endpoint is. */
typedef enum Kind {
        KIND_STREAM = 1,
        KIND_SEQPACKET,
        KIND_DEVICE,
        KIND_FIFO,
        KIND_FILE,
        KIND_TAP,
        _KIND_MAX,
} Kind;

/* What happens to a grant after hand-over: see doorward(7), "Leases". */
typedef enum LeaseMode {
        LEASE_MODE_REVOCABLE = 1,
        LEASE_MODE_TRACKED,
        LEASE_MODE_NONE,
        _LEASE_MODE_MAX,
} LeaseMode;

/* What policy says. Anything that is not DECISION_AUTHORIZED is a refusal. */
typedef enum Decision {
        DECISION_AUTHORIZED = 1,
        DECISION_CHALLENGE,
        DECISION_DENIED,
        DECISION_UNSUPPORTED,
        _DECISION_MAX,
} Decision;

/* How policy came to its yes. */
typedef enum How {
        HOW_IMPLICIT = 1, /* at once */
        HOW_CHALLENGED,   /* after somebody was asked for a password */
        HOW_OBSERVED, /* whatever it was: the endpoint is observed, and a group admits the peer */
        _HOW_MAX,
} How;

/* By what a read-only level is read-only. */
typedef enum Means {
        MEANS_SOCKET = 1, /* the backend's own read-only socket */
        MEANS_OPEN_FLAGS, /* O_RDONLY */
        MEANS_FILTER,     /* a filter in the data path */
        _MEANS_MAX,
} Means;

/* How long somebody may be kept out after a revocation, in seconds: 30 days. */
#define BLOCK_SEC_MAX INT64_C(2592000)

/* Why a lease ended. */
typedef enum EndReason {
        END_CLIENT = 1, /* the client closed its control connection */
        END_PEER,       /* the client's process ended */
        END_BACKEND,    /* the service hung up */
        END_EXPIRED,    /* MaxSec= */
        END_REVOKED,    /* an administrator, or the user */
        END_LOGOUT,     /* the session ended */
        END_POLICY,     /* polkit no longer says yes */
        END_DEFINITION, /* the definition was changed or removed */
        END_RESTART,    /* the broker restarted and could not keep it */
        END_SHUTDOWN,   /* the broker was stopped */
        _END_MAX,
} EndReason;

/* The spelling for people ("read-only") and on the wire ("read_only"). Static strings. An
 * out-of-range value is a programming error and yields "invalid". */
const char *access_to_string(Access access);
const char *access_to_wire(Access access);
const char *kind_to_string(Kind kind);
const char *kind_to_wire(Kind kind);
const char *lease_mode_to_string(LeaseMode mode);
const char *lease_mode_to_wire(LeaseMode mode);
const char *decision_to_string(Decision decision);
const char *decision_to_wire(Decision decision);
const char *how_to_string(How how);
const char *how_to_wire(How how);
const char *means_to_string(Means means);
const char *means_to_wire(Means means);
const char *end_reason_to_string(EndReason reason);
const char *end_reason_to_wire(EndReason reason);

/* The value spelled so, or -EINVAL. Each takes only its own spelling. */
int access_from_string(const char *text);
int access_from_wire(const char *text);
int kind_from_string(const char *text);
int kind_from_wire(const char *text);
int lease_mode_from_string(const char *text);
int lease_mode_from_wire(const char *text);
int decision_from_wire(const char *text);
int how_from_wire(const char *text);
int means_from_string(const char *text);
int means_from_wire(const char *text);
int end_reason_from_wire(const char *text);
