/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "broker/helper.h"
#include "common/socket.h"

/* systemd's queue is long, and it accepts at once: one that is full is an error like any other. */
int helper_connect(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n = socket_address(path, &address), r;

        if (n < 0)
                return n;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        /* Before anybody can send. */
        r = socket_set_passcred(fd);
        if (r < 0)
                return r;
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -errno;

        return TAKE_FD(fd);
}
