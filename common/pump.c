/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/pump.h"

/* How long a device is left alone that poll(2) calls ready and read(2) does not. */
#define PUMP_PAUSE_MS 20

typedef struct End {
        int fd;
        bool socket;
        bool waits_never; /* reads and writes never wait, so poll(2) need not be asked before */
        bool hung_up;     /* poll(2) would say so for ever */
} End;

/* One direction. The buffer is filled only when it is empty. */
typedef struct Way {
        End *from, *to;
        size_t start, end;
        bool ended; /* nothing more comes */
        bool done;  /* and nothing more is to be passed on */
        uint8_t data[PUMP_BUFFER_SIZE];
} Way;

typedef struct Pump {
        End input, output, endpoint;
        Way in, out;
        int watch_fd;
        bool unread; /* nobody reads our output any more */
        bool pause;
        PumpSide side; /* where an error happened */
} Pump;

static int end_init(End *end, int fd) {
        socklen_t n = sizeof(int);
        struct stat st;
        int type;

        *end = (End){.fd = fd};
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return 0;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
                return -errno;
        if (type != SOCK_STREAM)
                return -EMEDIUMTYPE;

        end->socket = end->waits_never = true;
        return 0;
}

/* A device's open file is ours alone, so it can be told never to wait: a serial line that waits to
 * be read while we wait to write would stand still. */
static int end_init_endpoint(End *end, int fd, Way *in, Way *out) {
        int flags, r;

        r = end_init(end, fd);
        if (r < 0)
                return r;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (!end->socket && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
                return -errno;

        end->waits_never = true;
        in->ended = in->done = (flags & O_ACCMODE) == O_RDONLY;
        out->ended = (flags & O_ACCMODE) == O_WRONLY;
        return 0;
}

static ssize_t end_read(const End *end, void *buf, size_t size) {
        ssize_t n;

        do
                n = end->socket ? recv(end->fd, buf, size, MSG_DONTWAIT) : read(end->fd, buf, size);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : n;
}

static ssize_t end_write(const End *end, const void *buf, size_t size) {
        ssize_t n;

        if (!end->waits_never && size > PIPE_BUF)
                size = PIPE_BUF;

        do
                n = end->socket ? send(end->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                : write(end->fd, buf, size);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : n;
}

static bool way_is_empty(const Way *way) {
        return way->start == way->end;
}

static bool way_wants_read(const Way *way) {
        return !way->ended && way_is_empty(way);
}

/* 0, -EAGAIN, or -errno. */
static int way_read(Way *way) {
        ssize_t n;

        n = end_read(way->from, way->data, sizeof(way->data));
        if (n > 0) {
                way->start = 0;
                way->end = (size_t)n;
                return 0;
        }

        /* A terminal that was hung up says EIO. The kernel's log says EPIPE, once, where messages
         * were overwritten before they were read. */
        if (n == 0 || n == -ECONNRESET || (n == -EIO && way->from->hung_up)) {
                way->ended = true;
                return 0;
        }
        return n == -EPIPE ? 0 : (int)n;
}

/* 0, -EPIPE if nobody reads there any more, or -errno. */
static int way_write(Way *way) {
        ssize_t n;

        while (!way_is_empty(way)) {
                n = end_write(way->to, way->data + way->start, way->end - way->start);
                if (n == -EAGAIN)
                        return 0;
                if (n == -ECONNRESET || n == -ENOTCONN || (n == -EIO && way->to->hung_up))
                        return -EPIPE;
                if (n < 0)
                        return (int)n;

                way->start += (size_t)n;
                if (!way->to->waits_never)
                        return 0;
        }

        return 0;
}

static int pump_write_in(Pump *pump) {
        size_t start = pump->in.start;
        int r;

        r = way_write(&pump->in);
        if (r == 0 && pump->in.start == start)
                pump->pause = true;
        if (r == -EPIPE) {
                pump->in.ended = true;
                pump->in.start = pump->in.end;
                return 0;
        }
        if (r < 0)
                pump->side = PUMP_ENDPOINT;

        return r;
}

static int pump_write_out(Pump *pump) {
        int r;

        r = way_write(&pump->out);
        if (r == -EPIPE) {
                pump->unread = true;
                return 0;
        }
        if (r < 0)
                pump->side = PUMP_OUTPUT;

        return r;
}

/* What was read is written at once where that cannot wait: some devices take what is written and
 * never say that they would. */
static int pump_read_in(Pump *pump) {
        int r;

        r = way_read(&pump->in);
        if (r == -EAGAIN)
                return 0;
        if (r < 0) {
                pump->side = PUMP_INPUT;
                return r;
        }

        return way_is_empty(&pump->in) ? 0 : pump_write_in(pump);
}

static int pump_read_out(Pump *pump) {
        int r;

        r = way_read(&pump->out);
        if (r == -EAGAIN) {
                pump->pause = true;
                return 0;
        }
        if (r < 0) {
                pump->side = PUMP_ENDPOINT;
                return r;
        }

        return pump->output.waits_never ? pump_write_out(pump) : 0;
}

/* Passes the end of a way on, once all that came before is through. */
static void pump_end_ways(Pump *pump) {
        if (pump->endpoint.hung_up && !pump->in.done) {
                pump->in.ended = true;
                pump->in.start = pump->in.end;
        }

        if (pump->in.ended && !pump->in.done && way_is_empty(&pump->in)) {
                if (pump->endpoint.socket)
                        (void)shutdown(pump->endpoint.fd, SHUT_WR);
                pump->in.done = true;
        }

        if (pump->out.ended && !pump->out.done && way_is_empty(&pump->out)) {
                if (pump->output.socket)
                        (void)shutdown(pump->output.fd, SHUT_WR);
                if (pump->output.fd != pump->input.fd)
                        close_fd(pump->output.fd);
                pump->out.done = true;
        }
}

/* What to wait for. Where there is nothing to wait for, a descriptor is left out altogether if its
 * poll(2) could go on reporting what we know already. */
static void pump_fill(const Pump *pump, struct pollfd polls[4]) {
        bool read_out = way_wants_read(&pump->out) && !pump->pause;
        bool write_in = !way_is_empty(&pump->in) && !pump->pause;
        bool watch_endpoint = pump->endpoint.socket && !pump->endpoint.hung_up;
        bool write_out = !way_is_empty(&pump->out);

        polls[0] = (struct pollfd){
                .fd = way_wants_read(&pump->in) ? pump->input.fd : -1,
                .events = POLLIN,
        };
        polls[1] = (struct pollfd){
                .fd = read_out || write_in || watch_endpoint ? pump->endpoint.fd : -1,
                .events = (short)((read_out ? POLLIN : 0) | (write_in ? POLLOUT : 0)),
        };
        /* While there is still input to pass on, it may be all that somebody wants of us. */
        polls[2] = (struct pollfd){
                .fd = write_out || (pump->in.done && !pump->out.done) ? pump->output.fd : -1,
                .events = write_out ? POLLOUT : 0,
        };
        polls[3] = (struct pollfd){.fd = pump->watch_fd, .events = POLLIN};
}

static int pump_dispatch(Pump *pump, const struct pollfd polls[4]) {
        int r = 0;

        if (polls[1].revents & POLLHUP || (polls[1].revents & POLLERR && pump->endpoint.socket))
                pump->endpoint.hung_up = true;

        if (polls[2].revents && !way_is_empty(&pump->out))
                r = pump_write_out(pump);
        else if (polls[2].revents)
                pump->unread = true;

        if (r == 0 && polls[1].revents && !way_is_empty(&pump->in))
                r = pump_write_in(pump);
        if (r == 0 && polls[0].revents && way_wants_read(&pump->in))
                r = pump_read_in(pump);
        if (r == 0 && polls[1].revents & (POLLIN | POLLHUP | POLLERR) && way_wants_read(&pump->out))
                r = pump_read_out(pump);

        return r;
}

static PumpWatch pump_watch(Pump *pump, const PumpSpec *spec) {
        PumpWatch watch = spec->watch(spec->userdata);

        if (watch != PUMP_WATCH_ON)
                pump->watch_fd = -EBADF;
        return watch;
}

static int pump_loop(Pump *pump, const PumpSpec *spec) {
        struct pollfd polls[4];
        int r;

        for (;;) {
                pump_end_ways(pump);
                if (pump->unread || (pump->in.done && pump->out.done))
                        return 0;

                pump_fill(pump, polls);
                r = poll(polls, ELEMENTSOF(polls), pump->pause ? PUMP_PAUSE_MS : -1);
                if (r < 0 && errno != EINTR)
                        return -errno;
                pump->pause = false;
                if (r <= 0)
                        continue;

                r = pump_dispatch(pump, polls);
                if (r < 0)
                        return r;
                if (polls[3].revents && pump_watch(pump, spec) == PUMP_WATCH_END)
                        return 0;
        }
}

static int pump_init(Pump *pump, const PumpSpec *spec) {
        int r;

        *pump = (Pump){.watch_fd = spec->watch_fd};
        pump->in.from = &pump->input;
        pump->in.to = pump->out.from = &pump->endpoint;
        pump->out.to = &pump->output;

        pump->side = PUMP_INPUT;
        r = end_init(&pump->input, spec->input);
        if (r < 0)
                return r;

        pump->side = PUMP_OUTPUT;
        r = end_init(&pump->output, spec->output);
        if (r < 0)
                return r;

        pump->side = PUMP_ENDPOINT;
        return end_init_endpoint(&pump->endpoint, spec->endpoint, &pump->in, &pump->out);
}

int pump_run(const PumpSpec *spec, PumpSide *ret_side) {
        _cleanup_free_ Pump *pump = malloc(sizeof(Pump));
        int r;

        if (!pump)
                return -ENOMEM;

        r = pump_init(pump, spec);
        if (r == 0)
                r = pump_loop(pump, spec);
        if (r < 0)
                *ret_side = pump->side;

        /* It may have been a password. */
        explicit_bzero(pump, sizeof(*pump));
        return r;
}
