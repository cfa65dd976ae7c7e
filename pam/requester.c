/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "pam/requester.h"

int requester_receive(const Asker *asker, int patience_msec, PamRequest *ret, int *ret_client) {
        _cleanup_close_ int client = -EBADF;
        uint8_t buf[PAM_REQUEST_SIZE];
        ssize_t n;
        int r;

        n = asker_receive(asker, patience_msec, buf, sizeof(buf), &client);
        if (n < 0)
                return (int)n;

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

int requester_watch(const Asker *asker) {
        struct sigaction action = {.sa_sigaction = handle_signal,
                                   .sa_flags = SA_RESTART | SA_SIGINFO};
        int flags = fcntl(asker->fd, F_GETFL);

        if (flags < 0 || sigaction(SIGIO, &action, NULL) < 0 ||
            fcntl(asker->fd, F_SETSIG, SIGIO) < 0 || fcntl(asker->fd, F_SETOWN, getpid()) < 0 ||
            fcntl(asker->fd, F_SETFL, flags | O_ASYNC) < 0)
                return -errno;

        /* It may have done so before. */
        if (has_hung_up(asker->fd))
                _exit(EXIT_SUCCESS);
        return 0;
}

int requester_send(const Asker *asker, const PamReply *reply, int fd) {
        uint8_t buf[PAM_REPLY_SIZE];

        return asker_send(asker, buf, pam_reply_encode(reply, buf), fd);
}
