/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-device.h"
#include "helpers/opener-place.h"
#include "helpers/opener-refusal.h"

#define SELF_FD_SIZE 32

/* /dev/net/tun: these numbers are its own everywhere. */
#define TUN_MINOR 200

static const char *self_fd(int fd, char buf[SELF_FD_SIZE]) {
        (void)snprintf(buf, SELF_FD_SIZE, "/proc/self/fd/%d", fd);
        return buf;
}

static bool kind_connects(Kind kind) {
        return kind == KIND_STREAM || kind == KIND_SEQPACKET;
}

bool opener_place_connects(const OpenerPlace *place) {
        return kind_connects(place->kind);
}

void opener_place_deinit(OpenerPlace *place) {
        close_fd(place->fd);
        free(place->path);
        *place = (OpenerPlace)OPENER_PLACE_NULL;
}

static const char *type_to_string(mode_t mode) {
        return S_ISSOCK(mode)   ? "a socket"
               : S_ISDIR(mode)  ? "a folder"
               : S_ISREG(mode)  ? "a file"
               : S_ISFIFO(mode) ? "a FIFO"
                                : "a device";
}

static bool is_tun(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(MISC_MAJOR, TUN_MINOR);
}

bool opener_place_fits(Kind kind, mode_t mode) {
        switch (kind) {
        case KIND_STREAM:
        case KIND_SEQPACKET:
                return S_ISSOCK(mode);
        case KIND_DEVICE:
                return S_ISCHR(mode) || S_ISBLK(mode);
        case KIND_FIFO:
                return S_ISFIFO(mode);
        case KIND_FILE:
                return S_ISREG(mode);
        default:
                return false;
        }
}

static int place_check_type(const OpenerPlace *place, const DeviceClass *devices,
                            OpenerReply *reply) {
        mode_t mode = place->stat.st_mode;

        if (place->kind == KIND_TAP ? !is_tun(&place->stat) : !opener_place_fits(place->kind, mode))
                return opener_refuse(reply, OPENER_TYPE, 0,
                                     "%.120s is %s, which does not go with the definition's %s",
                                     place->path, type_to_string(mode),
                                     kind_to_string(place->kind));

        return place->kind == KIND_DEVICE
                       ? opener_device_check(devices, place->path, &place->stat, reply)
                       : 0;
}

static int place_find_at(OpenerPlace *place, const char *path, const char *instance,
                         const OpenerPathRules *rules, OpenerReply *reply) {
        int r;

        opener_place_deinit(place);
        r = definition_expand(path, instance, &place->path);
        if (r < 0)
                return opener_refuse(reply, OPENER_PATH, -r, "%.120s cannot be expanded: %s", path,
                                     strerror(-r));

        return place->path[0] == '@'
                       ? 0
                       : opener_path_walk(rules, place->path, &place->fd, &place->stat, reply);
}

int opener_place_find(OpenerPlace *place, const Definition *definition, const Target *target,
                      const char *instance, const OpenerPathRules *rules, OpenerReply *reply) {
        _cleanup_(opener_place_deinit) OpenerPlace found = OPENER_PLACE_NULL;
        OpenerPathRules connecting = *rules;
        int r;

        opener_place_deinit(place);
        connecting.connects = kind_connects(target->kind);
        r = opener_refuse(reply, OPENER_PATH, 0, "the definition names no path");

        for (char **path = target->paths; path && *path; path++) {
                r = place_find_at(&found, *path, instance, &connecting, reply);
                if (r == 0 || reply->error != ENOENT)
                        break;
        }
        if (r != 0)
                return r;

        found.kind = target->kind;
        found.keeps_line = target->kind == KIND_DEVICE && definition->keeps_line;
        if (found.fd >= 0)
                r = place_check_type(&found, definition->devices, reply);
        else if (!connecting.connects)
                r = opener_refuse(reply, OPENER_TYPE, 0, "%.150s is no path", found.path);
        if (r != 0)
                return r;

        *place = found;
        found = (OpenerPlace)OPENER_PLACE_NULL;
        return 0;
}

static int place_fail(const OpenerPlace *place, int error, OpenerReply *reply) {
        return opener_refuse(reply, OPENER_OPEN, error, "%.150s: %s", place->path, strerror(error));
}

/* O_NONBLOCK is the only flag that it was opened with, of those that can be set. */
static int set_blocking(int fd) {
        return fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

/* The driver keeps it as a setting of the line, until somebody sets another. */
static int place_keep_line(const OpenerPlace *place, int fd, OpenerReply *reply) {
        struct termios modes;

        if (tcgetattr(fd, &modes) < 0)
                return opener_refuse(reply, OPENER_TYPE, errno,
                                     "%.100s is no terminal line, which HangupOnClose=no is for",
                                     place->path);

        modes.c_cflag &= ~(tcflag_t)HUPCL;
        return tcsetattr(fd, TCSANOW, &modes) < 0 ? place_fail(place, errno, reply) : 0;
}

int opener_place_open(const OpenerPlace *place, Access access, int *ret, OpenerReply *reply) {
        const struct stat *was = &place->stat;
        _cleanup_close_ int fd = -EBADF;
        char path[SELF_FD_SIZE];
        struct stat is;
        int r;

        fd = open(self_fd(place->fd, path),
                  (access == ACCESS_FULL ? O_RDWR : O_RDONLY) | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &is) < 0)
                return place_fail(place, errno, reply);

        if (is.st_dev != was->st_dev || is.st_ino != was->st_ino || is.st_rdev != was->st_rdev ||
            (is.st_mode & S_IFMT) != (was->st_mode & S_IFMT))
                return opener_refuse(reply, OPENER_TYPE, 0,
                                     "%.100s was opened and is something else than it was",
                                     place->path);

        r = place->keeps_line ? place_keep_line(place, fd, reply) : 0;
        if (r != 0)
                return r;
        r = set_blocking(fd);
        if (r < 0)
                return place_fail(place, -r, reply);

        *ret = TAKE_FD(fd);
        return 0;
}

int opener_place_socket(const OpenerPlace *place, int *ret, OpenerReply *reply) {
        int type = place->kind == KIND_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
        int fd;

        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return place_fail(place, errno, reply);

        *ret = fd;
        return 0;
}

int opener_place_check_peer(const char *path, int fd, const OpenerPathRules *rules,
                            OpenerReply *reply) {
        struct ucred listener = {.uid = PEER_UID_INVALID};
        socklen_t n = sizeof(listener);

        if (rules->peer == PEER_UID_INVALID)
                return 0;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &n) < 0)
                return opener_refuse(reply, OPENER_OPEN, errno, "%.150s: %s", path,
                                     strerror(errno));
        if (n != sizeof(listener) || listener.uid != rules->peer)
                return opener_refuse(reply, OPENER_PEER_USER, 0,
                                     "%.100s was made by uid %u, and not by PeerUser=%s", path,
                                     (unsigned)listener.uid, rules->peer_name ?: "root");

        return 0;
}

int opener_place_connect(const OpenerPlace *place, int fd, const OpenerPathRules *rules,
                         OpenerReply *reply) {
        char path[SELF_FD_SIZE];
        struct sockaddr_un address;
        int n, r;

        n = socket_address(place->fd >= 0 ? self_fd(place->fd, path) : place->path, &address);
        if (n < 0)
                return place_fail(place, -n, reply);

        if (connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 && errno != EISCONN) {
                /* A unix socket connects at once or not at all; the others are for completeness. */
                if (errno == EAGAIN || errno == EINPROGRESS || errno == EALREADY || errno == EINTR)
                        return -EAGAIN;
                if (errno == EPROTOTYPE)
                        return opener_refuse(reply, OPENER_TYPE, errno, "%.120s is not a %s socket",
                                             place->path, kind_to_string(place->kind));
                return place_fail(place, errno, reply);
        }

        r = opener_place_check_peer(place->path, fd, rules, reply);
        if (r != 0)
                return r;

        r = set_blocking(fd);
        return r < 0 ? place_fail(place, -r, reply) : 0;
}
