/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#include "tests/support/fuse.h"

static int write_file(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* In which the user and the group are what they are. */
static int make_user_namespace(void) {
        char uids[64], gids[64];
        int r;

        (void)snprintf(uids, sizeof(uids), "%u %u 1", (unsigned)getuid(), (unsigned)getuid());
        (void)snprintf(gids, sizeof(gids), "%u %u 1", (unsigned)getgid(), (unsigned)getgid());
        if (unshare(CLONE_NEWUSER) < 0)
                return -errno;

        r = write_file("/proc/self/setgroups", "deny");
        if (r == 0)
                r = write_file("/proc/self/uid_map", uids);
        return r == 0 ? write_file("/proc/self/gid_map", gids) : r;
}

int fuse_leave(void) {
        int r = getuid() == 0 ? 0 : make_user_namespace();

        if (r < 0)
                return r;
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return 0;
}

/* The first message is not about a file. */
static int greet(int fd) {
        struct {
                struct fuse_out_header header;
                struct fuse_init_out init;
        } answer = {.init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION}};
        uint8_t buf[FUSE_MIN_READ_BUFFER];
        const struct fuse_in_header *asked = (const void *)buf;

        if (read(fd, buf, sizeof(buf)) < (ssize_t)sizeof(*asked) || asked->opcode != FUSE_INIT)
                return -EPROTO;

        answer.header.len = sizeof(answer);
        answer.header.unique = asked->unique;
        answer.init.max_write = 4096;
        return write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : -EPROTO;
}

int fuse_mount(const char *folder) {
        _cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[128];
        int r;

        if (fd < 0)
                return -errno;

        (void)snprintf(options, sizeof(options),
                       "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fd,
                       (unsigned)getuid(), (unsigned)getgid());
        if (mount("doorward", folder, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
                return -errno;
        r = greet(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

bool fuse_was_asked(int fd) {
        struct pollfd server = {.fd = fd, .events = POLLIN};

        return poll(&server, 1, 0) != 0;
}
