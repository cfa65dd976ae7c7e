/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cli/private-pty.h"

/* Other instances of devpts, as of a container, have other terminals of the same names. */
static int path_check(const PrivatePty *pty) {
        struct stat there, ours;

        if (stat(pty->path, &there) < 0 || fstat(pty->slave, &ours) < 0)
                return -errno;
        return there.st_dev == ours.st_dev && there.st_ino == ours.st_ino ? 0 : -ENODEV;
}

static int pty_open(PrivatePty *pty) {
        int on = 1;

        pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (pty->master < 0 || unlockpt(pty->master) < 0)
                return -errno;

        pty->slave = ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (pty->slave < 0 || ptsname_r(pty->master, pty->path, sizeof(pty->path)) != 0)
                return -errno;

        /* The group tty could write to it, for messages to people. */
        if (fchmod(pty->slave, 0600) < 0 || ioctl(pty->master, TIOCPKT, &on) < 0)
                return -errno;
        return path_check(pty);
}

int private_pty_init(PrivatePty *pty) {
        int r;

        *pty = (PrivatePty)PRIVATE_PTY_NULL;
        r = pty_open(pty);
        if (r < 0)
                private_pty_deinit(pty);
        return r;
}

void private_pty_deinit(PrivatePty *pty) {
        close_fd(pty->slave);
        close_fd(pty->master);
        *pty = (PrivatePty)PRIVATE_PTY_NULL;
}
