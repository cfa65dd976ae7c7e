#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Place: what stands at a definition's path, and the way in
 *
 * Found once by opener_place_find(), held by an O_PATH descriptor, and from then on reached through
 * /proc/self/fd only: what was judged is what is opened.
 *
 * A device, FIFO or file is opened O_RDONLY at read-only and O_RDWR at full: full is whatever the
 * opener's own permissions allow. For a FIFO that means both of its ends, as with a terminal: a
 * write end alone would refuse while nobody reads. Opened with O_NONBLOCK, so that no carrier and
 * no writer is waited for, and handed over in blocking mode.
 *
 * HangupOnClose=no is a setting of a terminal line itself, and so is made here, once it is open:
 * who gets the descriptor is not asked to.
 *
 * A socket is connected to without waiting. A full queue is nothing that poll(2) tells of, so the
 * caller tries again until its patience ends. Then the kernel is asked who made the listener:
 * PeerUser=. What is connected is handed over in blocking mode too.
 */

#include <sys/stat.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "helpers/opener-path.h"
#include "policy/definition.h"

typedef struct OpenerPlace {
        Kind kind;
        char *path; /* as the definition says it, for this instance */
        int fd;     /* O_PATH; none for an abstract socket */
        bool keeps_line;
        struct stat stat;
} OpenerPlace;

#define OPENER_PLACE_NULL \
        { .fd = -EBADF }

void opener_place_deinit(OpenerPlace *place);

/* Walks the target's paths until something stands there, and looks at what it is. What place held
 * before is released. 0, or a refusal: OPENER_PATH, OPENER_TYPE. */
int opener_place_find(OpenerPlace *place, const Definition *definition, const Target *target,
                      const char *instance, const OpenerPathRules *rules,
                      OpenerReply *reply) _must_check_;

/* Whether it is a socket, to connect to, or something to open. */
bool opener_place_connects(const OpenerPlace *place);

/* Whether what has this mode is of the kind. A tap is known by more than that, and is none
 * here. */
bool opener_place_fits(Kind kind, mode_t mode);

/* Opens a device, FIFO or file. 0, or a refusal: OPENER_OPEN, OPENER_TYPE. */
int opener_place_open(const OpenerPlace *place, Access access, int *ret,
                      OpenerReply *reply) _must_check_;

/* Makes a socket to connect with. 0, or a refusal: OPENER_OPEN. */
int opener_place_socket(const OpenerPlace *place, int *ret, OpenerReply *reply) _must_check_;

/* Who made the listener that fd is connected to, as the kernel kept it at connect(2): 0 if it is
 * whom PeerUser= wants, or a refusal: OPENER_PEER_USER, OPENER_OPEN. path is for messages. */
int opener_place_check_peer(const char *path, int fd, const OpenerPathRules *rules,
                            OpenerReply *reply) _must_check_;

/* Tries to connect: 0 when it is and whose it should be, -EAGAIN if the queue is full, or a
 * refusal: OPENER_OPEN, OPENER_TYPE, OPENER_PEER_USER. */
int opener_place_connect(const OpenerPlace *place, int fd, const OpenerPathRules *rules,
                         OpenerReply *reply) _must_check_;
