#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Private pty: a terminal line of ours, which a program opens by its path
 *
 * Only this user can. It never becomes our controlling terminal, and it does not hang up while the
 * program closes it and opens it again, since we have it open, too.
 */

#include "common/macros.h"

#define PRIVATE_PTY_PATH_SIZE 64U

typedef struct PrivatePty {
        int master; /* without waiting, and in packet mode: tty_ioctl(2), TIOCPKT */
        int slave;
        char path[PRIVATE_PTY_PATH_SIZE];
} PrivatePty;

#define PRIVATE_PTY_NULL \
        { .master = -EBADF, .slave = -EBADF }

/* -errno; -ENODEV if /dev/pts has something else under that name. */
int private_pty_init(PrivatePty *pty) _must_check_;
/* Whoever has it open finds that it has hung up. */
void private_pty_deinit(PrivatePty *pty);
