/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/inode.h"
#include "cli/private-socket.h"
#include "common/socket.h"

int private_socket_new(const char *path, int *ret_pin) {
        _cleanup_close_ int fd = -EBADF, pin = -EBADF;
        struct sockaddr_un address;
        mode_t before;
        int n, r;

        n = socket_address(path, &address);
        if (n < 0)
                return n;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        before = umask(0177);
        r = bind(fd, (const struct sockaddr *)&address, (socklen_t)n) < 0 ? -errno : 0;
        (void)umask(before);
        if (r < 0)
                return r;

        pin = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (pin < 0 || listen(fd, SOMAXCONN) < 0) {
                r = -errno;
                (void)unlink(path);
                return r;
        }

        *ret_pin = TAKE_FD(pin);
        return TAKE_FD(fd);
}

void private_socket_remove_consume_pin(const char *path, int pin) {
        if (pin < 0)
                return;

        if (inode_is_at(AT_FDCWD, path, pin))
                (void)unlink(path);
        close_fd(pin);
}

/* Whether anybody listens on a pinned socket, and on no other that may have its name by now: 0, or
 * as below. */
static int check_dead(int pin) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        char path[32];
        int n;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
        n = socket_address(path, &address);
        if (n < 0)
                return n;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, (socklen_t)n) == 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno == EPROTOTYPE)
                return -EEXIST;
        return errno == ECONNREFUSED ? 0 : -errno;
}

int private_socket_remove_dead(const char *path) {
        _cleanup_close_ int pin = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        if (pin < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(pin, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
                return -EEXIST;

        r = check_dead(pin);
        if (r == 0)
                private_socket_remove_consume_pin(path, TAKE_FD(pin));
        return r;
}
