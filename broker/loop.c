/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/epoll.h>

#include <glib.h>

#include "broker/loop.h"

/* How often GLib may have more work at once before the other sources get their turn. */
#define LOOP_ROUNDS_MAX 16

struct Loop {
        GMainContext *context;
        int epoll_fd;
        sd_event_source *io;
        sd_event_source *timer;

        /* What GLib asked for in the last query, and what of it the epoll holds. */
        GPollFD *fds;
        int n_fds, n_allocated;
        GPollFD *watched;
        int n_watched;
        bool unsure; /* whether the epoll still does: what ran since can have closed one */
        int priority;
};

static uint32_t loop_events_to_epoll(gushort events) {
        /* GIOCondition and EPOLL* have poll(2)'s numbers on Linux; this does not rely on it. */
        return (events & G_IO_IN ? EPOLLIN : 0) | (events & G_IO_OUT ? EPOLLOUT : 0) |
               (events & G_IO_PRI ? EPOLLPRI : 0);
}

/* Asks GLib what it waits for; returns how long at most, in ms, -1 for ever. */
static int loop_query(Loop *loop) {
        int timeout, n;

        while ((n = g_main_context_query(loop->context, loop->priority, &timeout, loop->fds,
                                         loop->n_allocated)) > loop->n_allocated) {
                loop->fds = g_renew(GPollFD, loop->fds, n);
                loop->n_allocated = n;
        }

        loop->n_fds = n;
        return timeout;
}

static bool loop_is_watched(const Loop *loop) {
        if (loop->n_fds != loop->n_watched)
                return false;

        for (int i = 0; i < loop->n_fds; i++)
                if (loop->fds[i].fd != loop->watched[i].fd ||
                    loop->fds[i].events != loop->watched[i].events)
                        return false;

        return true;
}

/* Has the epoll hold what GLib asked for. This happens when the bus connection comes or goes. */
static int loop_watch(Loop *loop) {
        if (!loop->unsure && loop_is_watched(loop))
                return 0;
        loop->unsure = false;

        /* A descriptor that was closed meanwhile has left the epoll by itself. */
        for (int i = 0; i < loop->n_watched; i++)
                (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->watched[i].fd, NULL);

        loop->watched = g_renew(GPollFD, loop->watched, loop->n_fds);
        loop->n_watched = 0;

        for (int i = 0; i < loop->n_fds; i++) {
                struct epoll_event event = {
                        .events = loop_events_to_epoll(loop->fds[i].events),
                        .data.fd = loop->fds[i].fd,
                };

                /* GLib can ask for one descriptor twice; the second time adds events. */
                if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->fds[i].fd, &event) < 0) {
                        if (errno != EEXIST)
                                return -errno;
                        event.events = EPOLLIN | EPOLLOUT | EPOLLPRI;
                        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->fds[i].fd, &event) < 0)
                                return -errno;
                }
                loop->watched[loop->n_watched++] = loop->fds[i];
        }

        return 0;
}

/* One turn of GLib: which descriptors are ready, and what follows from that. */
static void loop_dispatch(Loop *loop) {
        if (loop->n_fds > 0)
                (void)g_poll(loop->fds, (guint)loop->n_fds, 0);
        if (!g_main_context_check(loop->context, loop->priority, loop->fds, loop->n_fds))
                return;

        /* A number that was closed and used again looks the same. */
        loop->unsure = true;
        g_main_context_dispatch(loop->context);
}

/* Runs before sd-event sleeps. */
static int on_prepare(sd_event_source *source, void *userdata) {
        Loop *loop = userdata;
        bool ready;
        int timeout = 0, r;

        for (unsigned i = 0; i < LOOP_ROUNDS_MAX && timeout == 0; i++) {
                ready = g_main_context_prepare(loop->context, &loop->priority);
                timeout = loop_query(loop);
                if (ready)
                        timeout = 0;
                if (timeout == 0)
                        loop_dispatch(loop);
        }

        r = loop_watch(loop);
        if (r < 0)
                return r;
        if (timeout < 0)
                return sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);

        r = sd_event_source_set_time_relative(loop->timer, (uint64_t)timeout * 1000);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        loop_dispatch(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        loop_dispatch(userdata);
        return 0;
}

int loop_attach_glib(sd_event *event, Loop **ret) {
        _cleanup_(loop_freep) Loop *loop = calloc(1, sizeof(*loop));
        int r;

        if (!loop)
                return -ENOMEM;

        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return -errno;

        if (!g_main_context_acquire(g_main_context_default()))
                return -EBUSY;
        loop->context = g_main_context_ref(g_main_context_default());

        r = sd_event_add_io(event, &loop->io, loop->epoll_fd, EPOLLIN, on_io, loop);
        if (r >= 0)
                r = sd_event_source_set_prepare(loop->io, on_prepare);
        if (r >= 0)
                r = sd_event_add_time(event, &loop->timer, CLOCK_MONOTONIC, 0, 0, on_timer, loop);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(loop);
        return 0;
}

Loop *loop_free(Loop *loop) {
        if (!loop)
                return NULL;

        sd_event_source_disable_unref(loop->timer);
        sd_event_source_disable_unref(loop->io);
        close_fd(loop->epoll_fd);
        if (loop->context) {
                g_main_context_release(loop->context);
                g_main_context_unref(loop->context);
        }
        g_free(loop->fds);
        g_free(loop->watched);
        free(loop);
        return NULL;
}
