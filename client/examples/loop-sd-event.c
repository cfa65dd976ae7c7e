/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint in a loop of sd-event(3), and says when the lease ends. Its times are those of
 * the library: points of CLOCK_MONOTONIC, in microseconds.
 *
 *         loop-sd-event doorward:///libvirt
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "loop.h"

struct loop {
        struct program program; /* first, so that the one is the other */
        sd_event *event;
        sd_event_source *io, *timer, *input;
};

static int update(struct loop *loop);

static void forget(struct program *program) {
        struct loop *loop = (struct loop *)program;

        loop->io = sd_event_source_disable_unref(loop->io);
}

/* After each step: what is to be waited for may be something else. */
static int go_on(struct loop *loop, int more) {
        return more ? update(loop) : sd_event_exit(loop->event, 0);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct loop *loop = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        return go_on(loop, program_process(&loop->program));
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct loop *loop = userdata;

        (void)source;
        (void)usec;
        return go_on(loop, program_process(&loop->program));
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct loop *loop = userdata;
        int more = program_hear(&loop->program);

        (void)fd;
        (void)revents;
        if (loop->program.deaf)
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return go_on(loop, more && program_process(&loop->program));
}

/* poll(2)'s bits are epoll's. */
static int update_io(struct loop *loop) {
        uint32_t events = (uint32_t)program_get_events(&loop->program);

        if (loop->io)
                return sd_event_source_set_io_events(loop->io, events);

        return sd_event_add_io(loop->event, &loop->io, program_get_fd(&loop->program), events,
                               on_io, loop);
}

static int update(struct loop *loop) {
        long long usec = program_get_timeout(&loop->program);
        int r;

        r = sd_event_source_set_time(loop->timer, usec == LLONG_MAX ? UINT64_MAX : (uint64_t)usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
        if (r >= 0)
                r = update_io(loop);
        return r;
}

static int run(struct loop *loop) {
        int r;

        r = sd_event_default(&loop->event);
        if (r >= 0)
                r = sd_event_add_time(loop->event, &loop->timer, CLOCK_MONOTONIC, 0, 1, on_time,
                                      loop);
        if (r >= 0)
                r = sd_event_add_io(loop->event, &loop->input, STDIN_FILENO, EPOLLIN, on_input,
                                    loop);
        /* A file cannot be waited for, and need not. */
        if (r >= 0 || r == -EPERM)
                r = go_on(loop, program_process(&loop->program));
        if (r >= 0)
                r = sd_event_loop(loop->event);

        forget(&loop->program);
        sd_event_source_disable_unref(loop->timer);
        sd_event_source_disable_unref(loop->input);
        sd_event_unref(loop->event);
        return r;
}

int main(int argc, char *argv[]) {
        struct loop loop;
        int r;

        memset(&loop, 0, sizeof(loop));
        loop.program.forget = forget;
        if (program_start(&loop.program, argc > 1 ? argv[1] : NULL) == 0) {
                r = run(&loop);
                if (r < 0) {
                        fprintf(stderr, "The loop ended: %s\n", strerror(-r));
                        loop.program.status = 1;
                }
        }

        return program_end(&loop.program);
}
