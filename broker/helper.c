/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "broker/helper.h"
#include "common/socket.h"

/* The queue is long: one that is full is an error like any other. */
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

int helper_send(int fd, const void *data, size_t size, int pass_fd) {
        ssize_t n = socket_send(fd, data, size, pass_fd);

        if (n == -EPIPE)
                return -ECONNRESET;
        return n < 0 ? (int)n : 0;
}
