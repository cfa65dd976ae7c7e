#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Asker: the broker, as a helper sees it that is started for one request
 *
 * The connection is one for messages that a listener accepted, systemd's or the filters', so
 * SO_PEERCRED names who made it: the broker's user, or nobody is answered. A message counts only if
 * that process sent it, with one descriptor: whoever else was passed the broker's end is not the
 * broker.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct Asker {
        int fd; /* the caller's */
        pid_t pid;
        uid_t uid;
} Asker;

/* Looks at the connection. -EPROTOTYPE for what is none, -EPERM if another user made it. */
int asker_init(Asker *asker, int fd, uid_t uid) _must_check_;

/* Waits for one message and its descriptor, which is the caller's: the number of bytes. -ETIMEDOUT,
 * or -EBADMSG for anything else, such as the end or more than size bytes; then nothing is kept. */
ssize_t asker_receive(const Asker *asker, int patience_msec, void *buf, size_t size,
                      int *ret_fd) _must_check_;

/* Sends one message, with a descriptor, which stays the caller's, unless that is negative: 0 or
 * -errno. */
int asker_send(const Asker *asker, const void *data, size_t size, int pass_fd) _must_check_;
