#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Socket lock: that nobody else of ours listens at a path, takes what stands there for dead, or
 * removes it
 *
 * A file beside the socket, .NAME.lock, which is held (flock(2)) by whoever listens there and
 * removed by them in the end; in it is the number of their process. The kernel lets go of it for
 * one that was killed, and the next takes the file over. A file of that name that cannot be such a
 * one (it has other content, or a second name) is some other program's, and left alone. It is for
 * folders that nobody else can write.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct SocketLock {
        int folder, fd;
        char *name;
} SocketLock;

#define SOCKET_LOCK_NULL \
        { .folder = -EBADF, .fd = -EBADF }

enum {
        _SOCKET_LOCK_E_SUCCESS,
        SOCKET_LOCK_E_HELD,
};

/* path is absolute. 0, or SOCKET_LOCK_E_HELD and *ret_holder, 0 if that is not known; -EEXIST: what
 * is there is no such file; -errno. */
int socket_lock_take(SocketLock *lock, const char *path, pid_t *ret_holder) _must_check_;

/* Removes the file, if it is still ours. What was not taken is left alone. */
void socket_lock_release(SocketLock *lock);
