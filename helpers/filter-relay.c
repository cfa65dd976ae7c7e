/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "helpers/filter-relay.h"

enum {
        FD_CLIENT,
        FD_SERVICE,
        FD_BROKER,
        _FD_MAX,
};

static int64_t now_msec(void) {
        struct timespec now = {};

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static bool would_wait(void) {
        return errno == EAGAIN || errno == EINTR;
}

/* What cannot be sent to the service is forgotten: it may have answered nevertheless. */
static void relay_send_service(const FilterRelay *relay) {
        const char *data;
        size_t size = filter_session_service_output(relay->session, &data);
        ssize_t n;

        if (size == 0)
                return;
        n = send(relay->service, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0 || !would_wait())
                filter_session_service_sent(relay->session, n < 0 ? size : (size_t)n);
}

/* -EPIPE or the like if nobody reads there any more. */
static int relay_send_client(const FilterRelay *relay) {
        const char *data;
        size_t size;
        ssize_t n;

        while ((size = filter_session_client_output(relay->session, &data)) > 0) {
                n = send(relay->client, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0)
                        return would_wait() ? 0 : -errno;
                filter_session_client_sent(relay->session, (size_t)n);
        }
        return 0;
}

static ssize_t receive(int fd, char *buf, size_t size) {
        ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);

        if (n < 0 && would_wait())
                return -EAGAIN;
        /* Whoever hung up with something unread has hung up. */
        return n < 0 ? 0 : n;
}

static void relay_read_client(const FilterRelay *relay) {
        char *buf;
        size_t room = filter_session_client_room(relay->session, &buf);
        ssize_t n = room > 0 ? receive(relay->client, buf, room) : -EAGAIN;

        if (n >= 0)
                filter_session_client_read(relay->session, (size_t)n);
}

static void relay_read_service(const FilterRelay *relay) {
        char *buf;
        size_t room = filter_session_service_room(relay->session, &buf);
        ssize_t n = room > 0 ? receive(relay->service, buf, room) : -EAGAIN;

        if (n >= 0)
                filter_session_service_read(relay->session, (size_t)n);
}

/* A service that has hung up says so for ever, so it is asked only where that is of use. A client
 * says it only once it is gone, and not if there is merely no more to come from it. */
static void relay_fill(const FilterRelay *relay, struct pollfd fds[_FD_MAX]) {
        bool from_client, from_service, to_client, to_service;
        const char *data;
        char *buf;

        from_client = filter_session_client_room(relay->session, &buf) > 0;
        from_service = filter_session_service_room(relay->session, &buf) > 0;
        to_client = filter_session_client_output(relay->session, &data) > 0;
        to_service = filter_session_service_output(relay->session, &data) > 0;

        fds[FD_CLIENT] = (struct pollfd){
                .fd = relay->client,
                .events = (short)((from_client ? POLLIN : 0) | (to_client ? POLLOUT : 0)),
        };
        fds[FD_SERVICE] = (struct pollfd){
                .fd = from_service || to_service ? relay->service : -1,
                .events = (short)((from_service ? POLLIN : 0) | (to_service ? POLLOUT : 0)),
        };
        fds[FD_BROKER] = (struct pollfd){.fd = relay->broker, .events = POLLIN};
}

/* How long to wait, or -ETIMEDOUT. A client that is told nothing more sees that. */
static int relay_linger(FilterRelay *relay, int64_t *deadline) {
        const char *data;
        int64_t left;

        if (relay->session->state != FILTER_SESSION_LINGER)
                return -1;
        if (filter_session_client_output(relay->session, &data) == 0)
                (void)shutdown(relay->client, SHUT_WR);
        if (*deadline == 0)
                *deadline = now_msec() + relay->linger_msec;

        left = *deadline - now_msec();
        return left > 0 ? (int)left : -ETIMEDOUT;
}

/* 1 if all is over, 0 if it goes on, or -errno. */
static int relay_turn(FilterRelay *relay, int64_t *deadline) {
        struct pollfd fds[_FD_MAX];
        int timeout, r;

        relay_send_service(relay);
        if (relay_send_client(relay) < 0 || relay->session->state == FILTER_SESSION_ENDED)
                return 1;
        timeout = relay_linger(relay, deadline);
        if (timeout == -ETIMEDOUT)
                return 1;

        relay_fill(relay, fds);
        r = poll(fds, _FD_MAX, timeout);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[FD_BROKER].revents || fds[FD_CLIENT].revents & (POLLHUP | POLLERR))
                return 1;

        if (fds[FD_CLIENT].revents & POLLIN)
                relay_read_client(relay);
        if (fds[FD_SERVICE].revents & (POLLIN | POLLHUP | POLLERR))
                relay_read_service(relay);
        return 0;
}

int filter_relay_run(FilterRelay *relay) {
        int64_t deadline = 0;
        int r = 0;

        while (r == 0)
                r = relay_turn(relay, &deadline);

        return r < 0 ? r : 0;
}
