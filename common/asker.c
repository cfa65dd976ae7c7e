/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>

#include "common/asker.h"
#include "common/peer.h"
#include "common/socket.h"

int asker_init(Asker *asker, int fd, uid_t uid) {
        struct ucred credentials;

        if (!socket_option_is(fd, SO_DOMAIN, AF_UNIX) ||
            !socket_option_is(fd, SO_TYPE, SOCK_SEQPACKET) ||
            !socket_option_is(fd, SO_ACCEPTCONN, 0) || !socket_option_is(fd, SO_PASSCRED, 1))
                return -EPROTOTYPE;
        if (peer_get_credentials(fd, &credentials) != 0 || credentials.uid != uid)
                return -EPERM;

        *asker = (Asker){.fd = fd, .pid = credentials.pid, .uid = credentials.uid};
        return 0;
}

ssize_t asker_receive(const Asker *asker, int patience_msec, void *buf, size_t size, int *ret_fd) {
        struct pollfd p = {.fd = asker->fd, .events = POLLIN};
        _cleanup_close_ int fd = -EBADF;
        SocketAncillary ancillary;
        ssize_t n;
        int r;

        r = poll(&p, 1, patience_msec);
        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;

        n = socket_receive(asker->fd, buf, size, 1, &ancillary);
        if (n < 0)
                return n;
        if (ancillary.n_fds > 0)
                fd = ancillary.fds[0];
        if (fd < 0 || !ancillary.has_credentials || ancillary.credentials.pid != asker->pid ||
            ancillary.credentials.uid != asker->uid)
                return -EBADMSG;

        *ret_fd = TAKE_FD(fd);
        return n;
}

int asker_send(const Asker *asker, const void *data, size_t size, int pass_fd) {
        ssize_t n = socket_send(asker->fd, data, size, pass_fd);

        return n < 0 ? (int)n : 0;
}
