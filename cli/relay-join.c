/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "cli/relay-join.h"
#include "common/pump.h"

/* For how long it is waited for why the endpoint has hung up. */
#define WORD_MS 100

typedef struct RelayJoin {
        doorward_conn *conn;
        int epoll_fd;
        int news;
        bool over; /* it has been said what has become of the lease */
} RelayJoin;

/* In one piece, so that it is a line of its own whoever else writes there. */
static void tell_end(RelayJoin *join, const char *reason) {
        char line[64];
        int n;

        n = reason ? snprintf(line, sizeof(line), "{\"ended\":\"%s\"}\n", reason)
                   : snprintf(line, sizeof(line), "{\"ended\":null}\n");
        (void)!write(join->news, line, (size_t)n);
        join->over = true;
}

/* What was cut by the broker has its end on the way; what could not be cut ends here. */
static PumpWatch hear_broker(RelayJoin *join) {
        _cleanup_error_ doorward_error error = {};
        int r;

        r = lease_process(&join->conn->lease, &error);
        if (r == 0)
                return PUMP_WATCH_ON;

        tell_end(join,
                 r > 0 ? doorward_close_reason_to_string(lease_get_end(&join->conn->lease)) : NULL);
        return r < 0 || join->conn->mode == LEASE_MODE_REVOCABLE ? PUMP_WATCH_ON : PUMP_WATCH_END;
}

/* A lease that has ended stays readable. */
static void forget_broker(RelayJoin *join) {
        int fd = conn_get_control_fd(join->conn);

        if (fd >= 0)
                (void)epoll_ctl(join->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static PumpWatch join_watch(void *userdata) {
        RelayJoin *join = userdata;
        struct epoll_event events[2];
        PumpWatch watch = PUMP_WATCH_ON;
        int n;

        n = epoll_wait(join->epoll_fd, events, ELEMENTSOF(events), 0);
        for (int i = 0; i < n && watch == PUMP_WATCH_ON; i++)
                watch = events[i].data.fd == join->news ? PUMP_WATCH_END : hear_broker(join);
        if (join->over)
                forget_broker(join);

        return watch;
}

/* Of what cannot be polled, a file, nobody hangs up. */
static int join_add(RelayJoin *join, int fd, uint32_t events) {
        struct epoll_event event = {.events = events, .data.fd = fd};

        if (fd < 0 || epoll_ctl(join->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
                return 0;
        return errno == EPERM ? 0 : -errno;
}

/* Why a lease has ended is said right after it was cut. */
static void wait_for_word(RelayJoin *join) {
        struct pollfd endpoint = {.fd = join->conn->fd};
        struct pollfd control = {.fd = conn_get_control_fd(join->conn), .events = POLLIN};

        if (!join->over && join->conn->mode == LEASE_MODE_REVOCABLE && poll(&endpoint, 1, 0) > 0 &&
            endpoint.revents & POLLHUP && poll(&control, 1, WORD_MS) > 0)
                (void)hear_broker(join);
}

int relay_join(const RelayJoinSpec *spec, doorward_conn *conn) {
        _cleanup_close_ int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        RelayJoin join = {.conn = conn, .epoll_fd = epoll_fd, .news = spec->news};
        const PumpSpec pump = {
                .input = spec->input,
                .output = spec->output,
                .endpoint = conn->fd,
                .watch_fd = epoll_fd,
                .watch = join_watch,
                .userdata = &join,
        };
        PumpSide side;
        int r;

        if (epoll_fd < 0)
                return -errno;

        r = join_add(&join, spec->news, 0);
        if (r == 0)
                r = join_add(&join, conn_get_control_fd(conn), EPOLLIN);
        if (r == 0)
                r = pump_run(&pump, &side);
        wait_for_word(&join);
        return r;
}
