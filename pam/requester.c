/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/peer.h"
#include "common/socket.h"
#include "pam/requester.h"

int requester_init(Requester *requester, int fd, uid_t broker) {
        struct ucred credentials;

        if (!socket_option_is(fd, SO_DOMAIN, AF_UNIX) ||
            !socket_option_is(fd, SO_TYPE, SOCK_SEQPACKET) ||
            !socket_option_is(fd, SO_ACCEPTCONN, 0) || !socket_option_is(fd, SO_PASSCRED, 1))
                return -EPROTOTYPE;
        if (peer_get_credentials(fd, &credentials) != 0 || credentials.uid != broker)
                return -EPERM;

        *requester = (Requester){.fd = fd, .pid = credentials.pid, .uid = credentials.uid};
        return 0;
}

int requester_receive(const Requester *requester, int patience_msec, PamRequest *ret,
                      int *ret_client) {
        struct pollfd p = {.fd = requester->fd, .events = POLLIN};
        _cleanup_close_ int client = -EBADF;
        uint8_t buf[PAM_REQUEST_SIZE];
        SocketAncillary ancillary;
        ssize_t n;
        int r;

        r = poll(&p, 1, patience_msec);
        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;

        n = socket_receive(requester->fd, buf, sizeof(buf), 1, &ancillary);
        if (n < 0)
                return (int)n;
        if (ancillary.n_fds > 0)
                client = ancillary.fds[0];
        if (client < 0 || !ancillary.has_credentials ||
            ancillary.credentials.pid != requester->pid ||
            ancillary.credentials.uid != requester->uid)
                return -EBADMSG;

        r = pam_request_decode(buf, (size_t)n, ret);
        if (r == 0)
                *ret_client = TAKE_FD(client);
        return r;
}

static bool has_hung_up(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLRDHUP};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

/* The kernel says which descriptor it is about, so nothing global is needed. */
static void handle_signal(int number, siginfo_t *info, void *context) {
        bool by_kernel = info->si_code >= POLL_IN && info->si_code <= POLL_HUP;
        int saved = errno;

        if (by_kernel && has_hung_up(info->si_fd))
                _exit(EXIT_SUCCESS);
        errno = saved;
}

int requester_watch(const Requester *requester) {
        struct sigaction action = {.sa_sigaction = handle_signal,
                                   .sa_flags = SA_RESTART | SA_SIGINFO};
        int flags = fcntl(requester->fd, F_GETFL);

        if (flags < 0 || sigaction(SIGIO, &action, NULL) < 0 ||
            fcntl(requester->fd, F_SETSIG, SIGIO) < 0 ||
            fcntl(requester->fd, F_SETOWN, getpid()) < 0 ||
            fcntl(requester->fd, F_SETFL, flags | O_ASYNC) < 0)
                return -errno;

        /* It may have done so before. */
        if (has_hung_up(requester->fd))
                _exit(EXIT_SUCCESS);
        return 0;
}

int requester_send(const Requester *requester, const PamReply *reply, int fd) {
        uint8_t buf[PAM_REPLY_SIZE];
        size_t size = pam_reply_encode(reply, buf);
        ssize_t n = socket_send(requester->fd, buf, size, fd);

        return n < 0 ? (int)n : 0;
}
