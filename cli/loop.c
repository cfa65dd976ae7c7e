/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/resource.h>

#include "cli/loop.h"
#include "client/channel.h"

int loop_init(Loop *loop) {
        *loop = (Loop)LOOP_NULL;
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_deinit(Loop *loop) {
        loop->epoll_fd = close_fd(loop->epoll_fd);
}

int loop_add(Loop *loop, Source *source, int fd, uint32_t events, SourceFunc func, void *userdata) {
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                return -errno;

        *source = (Source){
                .loop = loop,
                .fd = fd,
                .events = events,
                .func = func,
                .userdata = userdata,
        };
        return 0;
}

int source_change(Source *source, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (source->events == events)
                return 0;
        if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
                return -errno;

        source->events = events;
        return 0;
}

void source_remove(Source *source) {
        Loop *loop = TAKE_PTR(source->loop);

        if (!loop)
                return;

        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        for (int i = loop->next; i < loop->n_heard; i++)
                if (loop->heard[i].data.ptr == source)
                        loop->heard[i].data.ptr = NULL;
}

int loop_turn(Loop *loop, int64_t deadline) {
        int n;

        n = epoll_wait(loop->epoll_fd, loop->heard, LOOP_EVENTS_MAX,
                       channel_deadline_left(deadline));
        if (n < 0)
                return errno == EINTR ? 0 : -errno;

        loop->n_heard = n;
        for (loop->next = 0; loop->next < loop->n_heard;) {
                const struct epoll_event *heard = &loop->heard[loop->next++];
                Source *source = heard->data.ptr;

                if (source)
                        source->func(source, heard->events);
                /* Careful: the source may be gone. */
        }

        loop->n_heard = loop->next = 0;
        return 0;
}

void loop_raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}
