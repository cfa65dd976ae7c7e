/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/epoll.h>

#include "client/channel.h"
#include "client/wait.h"

void wait_init(Wait *wait) {
        *wait = (Wait){.deadline = CHANNEL_NO_DEADLINE};
}

void wait_add_fd(Wait *wait, int fd, short events) {
        if (fd >= 0 && wait->n_fds < WAIT_FDS_MAX)
                wait->fds[wait->n_fds++] = (struct pollfd){.fd = fd, .events = events};
}

void wait_add_deadline(Wait *wait, int64_t deadline) {
        if (deadline < wait->deadline)
                wait->deadline = deadline;
}

int wait_get_timeout(const Wait *wait, long long *ret) {
        bool limited = wait->deadline != CHANNEL_NO_DEADLINE;

        *ret = limited ? (long long)wait->deadline * 1000 : INT64_MAX;
        return limited;
}

int wait_block(Wait *wait) {
        int r;

        r = poll(wait->fds, wait->n_fds, channel_deadline_left(wait->deadline));
        return r < 0 && errno != EINTR ? -errno : 0;
}

int wait_fd_new(void) {
        int fd = epoll_create1(EPOLL_CLOEXEC);

        return fd < 0 ? -errno : channel_move_fd_consume(fd);
}

/* poll(2)'s bits are epoll's. */
static int arm_one(int epoll_fd, const struct pollfd *p) {
        struct epoll_event event = {
                .events = (uint32_t)p->events | EPOLLONESHOT,
                .data.fd = p->fd,
        };

        if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &event) == 0)
                return 0;
        if (errno != ENOENT)
                return -errno;

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &event) < 0 ? -errno : 0;
}

int wait_fd_arm(int epoll_fd, const Wait *wait) {
        struct epoll_event events[2 * WAIT_FDS_MAX];
        int r = 0;

        /* What was heard of is taken out, or it would be readable for ever. */
        if (epoll_wait(epoll_fd, events, ELEMENTSOF(events), 0) < 0 && errno != EINTR)
                return -errno;

        for (nfds_t i = 0; r == 0 && i < wait->n_fds; i++)
                r = arm_one(epoll_fd, &wait->fds[i]);
        return r;
}
