#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * State content: leases and blocks as bytes
 *
 * What broker/state.h keeps. Of what is read nothing is believed but what could have been written:
 * every number is in its range, every text within its bounds and its alphabet, and there are not
 * more of anything than there may be.
 */

#include <sys/types.h>

#include "broker/record.h"
#include "common/name.h"
#include "common/pam-protocol.h"
#include "common/terms.h"
#include "policy/action.h"
#include "policy/definition.h"

#define STATE_LEASES_MAX 1000U
#define STATE_BLOCKS_MAX 1000U
/* Of all leases together: two each, if all have as many. */
#define STATE_FDS_MAX (2 * STATE_LEASES_MAX)
/* The largest number of a descriptor; the least is 1. */
#define STATE_NUMBER_MAX 0xfffffffU

/* systemd's limit for a unit's name, and the NUL. A login session's id is shorter. */
#define STATE_UNIT_SIZE 256
#define STATE_SESSION_SIZE 256

/* One that has as much of everything as there may be is not larger. */
#define STATE_CONTENT_MAX (1280 * 1024U)

/* Whether the lease ends with a login. */
typedef enum StateLogout {
        STATE_LOGOUT_NONE,
        STATE_LOGOUT_SESSION, /* with the login session */
        STATE_LOGOUT_USER,    /* with the user's last one */
        _STATE_LOGOUT_MAX,
} StateLogout;

typedef struct StateLease StateLease;

struct StateLease {
        char id[RECORD_LEASE_SIZE];
        char request[RECORD_REQUEST_SIZE]; /* by which it was opened */
        Name name;
        Access access;
        LeaseMode mode;
        Kind kind;
        How how;
        bool by_password; /* policy's yes rests on one */
        char definition[DEFINITION_HASH_SIZE];
        char action[ACTION_TEXT_SIZE];             /* by which it was granted; or "" */
        char user_name[PAM_PROTOCOL_USER_MAX + 1]; /* that PAM has proved; or "" */
        char unit[STATE_UNIT_SIZE];                /* of the peer; or "" */
        char login_session[STATE_SESSION_SIZE];    /* of the peer; or "" */
        uid_t uid;                                 /* of the peer */
        uid_t identity;                            /* as whom it was judged */
        pid_t pid;
        uint64_t start_time; /* of that process, in clock ticks since boot */
        uint64_t since;      /* µs of CLOCK_REALTIME */
        uint64_t expires;    /* the same; 0: does not */
        uint64_t ends_at;    /* the same moment in µs of CLOCK_BOOTTIME; 0: none */
        StateLogout logout;
        bool hold;       /* it does not end with its last descriptor */
        unsigned opened; /* how many descriptors there ever were */
};

/* Who is not let in for a while. */
typedef struct StateBlock {
        uid_t uid;
        char endpoint[NAME_TEXT_SIZE]; /* or "": all */
        uint64_t until;                /* µs of CLOCK_BOOTTIME */
        bool own;                      /* made by that user */
} StateBlock;

/* A descriptor of a lease. Only the number is written; the rest is for whoever keeps them. */
typedef struct StateFd {
        uint32_t number;
        int fd;
        bool sent;
} StateFd;

typedef struct StateEntry {
        StateLease lease;
        StateFd *fds; /* the control connection, then the duplicates */
        unsigned n_fds;
} StateEntry;

typedef struct StateContent {
        StateEntry **entries;
        unsigned n_entries;
        StateBlock *blocks;
        unsigned n_blocks;
} StateContent;

/* Whether it would be taken when it is read. */
bool state_lease_is_valid(const StateLease *lease);
bool state_block_is_valid(const StateBlock *block);

StateEntry *state_entry_free(StateEntry *entry);

/* Frees all that it has. */
void state_content_deinit(StateContent *content);

/* The most bytes that it takes. -EINVAL: it could not be read again. */
ssize_t state_content_size(const StateContent *content) _must_check_;

/* The number of bytes; -EINVAL, -ENOBUFS. */
ssize_t state_content_encode(const StateContent *content, uint8_t *buf, size_t size) _must_check_;

/* -EBADMSG, -ENOMEM. */
int state_content_decode(const uint8_t *buf, size_t size, StateContent *ret) _must_check_;

DEFINE_CLEANUP(StateEntry *, state_entry_free);
