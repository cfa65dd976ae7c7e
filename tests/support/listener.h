#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listener: a socket at a path, for tests that are what a helper or a broker connects to. */

#include <sys/socket.h>

#include "common/socket.h"

/* One of this type and with these flags, closed on exec, that does not listen yet: the caller's, or
 * -1. */
static inline int listener_bind(int type, const char *path) {
        _cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        int n = socket_address(path, &address);

        if (n < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -1;
        return TAKE_FD(fd);
}
