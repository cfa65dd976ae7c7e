/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "cli/line.h"
#include "cli/private-pty.h"
#include "cli/pty-relay.h"
#include "client/channel.h"

#define WAY_SIZE 4096U
/* How often settings are looked at of which the pty does not tell. */
#define LOOK_MS 500

/* What was read on one side and not written on the other. */
typedef struct Way {
        uint8_t data[WAY_SIZE];
        size_t begin, end;
} Way;

struct PtyRelay {
        PtyRelaySpec spec;
        PrivatePty pty;
        Line *line;
        Way out, in; /* to the device, and from it */
        Source master, device;
        bool tells;      /* the pty says when its settings change; */
        int64_t look_at; /* if not, then they are looked at by then */
        bool gone;       /* the device has hung up: what is left of it is what can be read */
        bool dropped;
        int error;
};

static bool way_is_empty(const Way *way) {
        return way->begin == way->end;
}

static void way_clear(Way *way) {
        way->begin = way->end = 0;
}

/* Moves what there is to the beginning; how much room is behind it. */
static size_t way_make_room(Way *way) {
        size_t n = way->end - way->begin;

        memmove(way->data, way->data + way->begin, n);
        way->begin = 0;
        way->end = n;
        return WAY_SIZE - n;
}

/* Writes what is taken without waiting. -errno. */
static int way_write(Way *way, int fd) {
        while (!way_is_empty(way)) {
                ssize_t n = write(fd, way->data + way->begin, way->end - way->begin);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n < 0)
                        return -errno;
                way->begin += (size_t)n;
        }

        return 0;
}

static bool relay_has_failed(const PtyRelay *relay) {
        return relay->error < 0;
}

static void relay_fail(PtyRelay *relay, int error) {
        if (error < 0 && !relay_has_failed(relay))
                relay->error = error;
}

/* Settings. */

static void relay_look(PtyRelay *relay) {
        relay_fail(relay, line_carry(relay->line, relay->pty.master, &relay->tells));
        relay->look_at = relay->tells ? CHANNEL_NO_DEADLINE : channel_deadline(LOOK_MS);
}

/* What the pty says of itself. */
static void relay_take_status(PtyRelay *relay, uint8_t status) {
        if (status & TIOCPKT_FLUSHWRITE) {
                way_clear(&relay->out);
                line_flush_output(relay->line);
        }
        if (status & TIOCPKT_FLUSHREAD) {
                way_clear(&relay->in);
                line_flush_input(relay->line);
        }
        relay_look(relay);
}

/* Bytes. */

/* One read: a status, or bytes behind a zero. With no room, the status alone. False if there is
 * nothing. */
static bool relay_read_master(PtyRelay *relay) {
        uint8_t data[1 + WAY_SIZE];
        size_t room = relay->spec.reads_only ? WAY_SIZE : way_make_room(&relay->out);
        ssize_t n = read(relay->pty.master, data, 1 + room);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
                relay_fail(relay, -errno);
        if (n < 1)
                return false;

        if (data[0] != TIOCPKT_DATA) {
                relay_take_status(relay, data[0]);
                return true;
        }
        if (relay->spec.reads_only)
                relay->dropped = relay->dropped || n > 1;
        else if (n > 1) {
                memcpy(relay->out.data + relay->out.end, data + 1, (size_t)n - 1);
                relay->out.end += (size_t)n - 1;
        }
        return n > 1;
}

/* What the device has to say. */
static void relay_read_device(PtyRelay *relay) {
        size_t room = way_make_room(&relay->in);
        ssize_t n;

        if (room == 0)
                return;

        n = read(relay->spec.device, relay->in.data + relay->in.end, room);
        if (n > 0)
                relay->in.end += (size_t)n;
        else if (relay->gone)
                relay_fail(relay, -EIO);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
                relay_fail(relay, -errno);
        /* Else it is nothing, or the end of a file that somebody has typed there: there is no way
         * to tell that to a pty. */
}

/* What is waited for now. A device that hangs up says so whether it is asked or not. */
static void relay_arm(PtyRelay *relay) {
        bool out = !way_is_empty(&relay->out), in = !way_is_empty(&relay->in);
        uint32_t master = EPOLLPRI | (relay->out.end - relay->out.begin < WAY_SIZE ? EPOLLIN : 0) |
                          (in ? EPOLLOUT : 0);
        uint32_t device = (in ? 0 : EPOLLIN) | (out ? EPOLLOUT : 0);

        if (relay->master.events != master)
                relay_fail(relay, source_change(&relay->master, master));
        if (!relay->gone && relay->device.events != device)
                relay_fail(relay, source_change(&relay->device, device));
}

/* Whatever was heard: each way is moved as far as it goes. Of a device that has hung up what it had
 * to say still counts, up to where that ends. */
static void relay_move(PtyRelay *relay) {
        if (relay->gone)
                way_clear(&relay->out);
        relay_fail(relay, way_write(&relay->out, relay->spec.device));
        relay_fail(relay, way_write(&relay->in, relay->pty.master));
        while (relay->gone && way_is_empty(&relay->in) && !relay_has_failed(relay)) {
                relay_read_device(relay);
                relay_fail(relay, way_write(&relay->in, relay->pty.master));
        }
        relay_arm(relay);
}

static void on_master(Source *source, uint32_t events) {
        PtyRelay *relay = source->userdata;

        /* What was set before it was written counts for it. */
        if (events & (EPOLLIN | EPOLLPRI) && relay_read_master(relay) && !relay->tells)
                relay_look(relay);
        relay_move(relay);
}

static void on_device(Source *source, uint32_t events) {
        PtyRelay *relay = source->userdata;

        if (events & (EPOLLHUP | EPOLLERR)) {
                relay->gone = true;
                source_remove(&relay->device);
        }
        if (events & EPOLLIN)
                relay_read_device(relay);
        relay_move(relay);
}

/* The relay. */

static int relay_begin(PtyRelay *relay) {
        const PtyRelaySpec *spec = &relay->spec;
        int r;

        r = line_new(spec->device, spec->keeps_line, &relay->line);
        if (r == 0)
                r = private_pty_init(&relay->pty);
        if (r == 0 && fcntl(spec->device, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r == 0)
                r = line_show(relay->line, relay->pty.master);
        if (r < 0)
                return r;

        relay_look(relay);
        if (relay_has_failed(relay))
                return relay->error;

        r = loop_add(spec->loop, &relay->master, relay->pty.master, EPOLLIN | EPOLLPRI, on_master,
                     relay);
        return r < 0 ? r
                     : loop_add(spec->loop, &relay->device, spec->device, EPOLLIN, on_device,
                                relay);
}

int pty_relay_new_consume(const PtyRelaySpec *spec, PtyRelay **ret) {
        _cleanup_(pty_relay_freep) PtyRelay *relay = calloc(1, sizeof(*relay));
        int r;

        if (!relay) {
                close_fd(spec->device);
                return -ENOMEM;
        }

        relay->spec = *spec;
        relay->pty = (PrivatePty)PRIVATE_PTY_NULL;
        r = relay_begin(relay);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(relay);
        return 0;
}

PtyRelay *pty_relay_free(PtyRelay *relay) {
        if (!relay)
                return NULL;

        source_remove(&relay->master);
        source_remove(&relay->device);
        if (relay->pty.master >= 0)
                line_leave(relay->line, relay->pty.master);
        (void)line_free(relay->line);
        private_pty_deinit(&relay->pty);
        close_fd(relay->spec.device);
        explicit_bzero(relay, sizeof(*relay));
        free(relay);
        return NULL;
}

const char *pty_relay_get_path(const PtyRelay *relay) {
        return relay->pty.path;
}

int pty_relay_process(PtyRelay *relay) {
        if (!relay_has_failed(relay) && channel_deadline_left(relay->look_at) == 0)
                relay_look(relay);
        return relay->error;
}

int64_t pty_relay_get_deadline(const PtyRelay *relay) {
        return relay->look_at;
}

bool pty_relay_has_dropped(PtyRelay *relay) {
        bool dropped = relay->dropped;

        relay->dropped = false;
        return dropped;
}

bool pty_relay_is_settled(const PtyRelay *relay) {
        struct pollfd master = {.fd = relay->pty.master, .events = POLLIN | POLLPRI};

        return relay_has_failed(relay) || (way_is_empty(&relay->out) && poll(&master, 1, 0) == 0);
}
