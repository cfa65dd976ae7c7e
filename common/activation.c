/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "common/activation.h"
#include "common/socket.h"

static bool environment_is(const char *name, long expected) {
        const char *text = getenv(name);
        char *end;

        return text && *text && strtol(text, &end, 10) == expected && !*end;
}

bool activation_has_socket(void) {
        return environment_is("LISTEN_PID", getpid()) && environment_is("LISTEN_FDS", 1);
}

/* Whether it is called so, and listens. */
static int check_listener(int fd, const char *path) {
        struct sockaddr_un address = {}, expected;
        socklen_t n = sizeof(address);
        int expected_n;

        expected_n = socket_address(path, &expected);
        if (expected_n < 0 || getsockname(fd, (struct sockaddr *)&address, &n) < 0 ||
            n != (socklen_t)expected_n || memcmp(&address, &expected, n) != 0)
                return -EADDRNOTAVAIL;
        if (!socket_option_is(fd, SO_TYPE, SOCK_SEQPACKET) ||
            !socket_option_is(fd, SO_ACCEPTCONN, 1))
                return -EPROTOTYPE;
        return 0;
}

int activation_take_listener(const char *path) {
        int flags, r;

        if (!activation_has_socket())
                return -EBADF;
        r = check_listener(ACTIVATION_FD, path);
        if (r < 0)
                return r;

        flags = fcntl(ACTIVATION_FD, F_GETFL);
        if (flags < 0 || fcntl(ACTIVATION_FD, F_SETFL, flags | O_NONBLOCK) < 0 ||
            fcntl(ACTIVATION_FD, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        return socket_set_passcred(ACTIVATION_FD);
}

void activation_turn_away(int listener) {
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                close_fd(fd);
        (void)poll(NULL, 0, ACTIVATION_USELESS_MSEC);
}

int activation_get_end(int *ret) {
        sigset_t mask;
        int fd;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;

        *ret = fd;
        return 0;
}
