/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/socket.h>

#include "cli/joint.h"

/* How much a pipe is to hold. Who has many such pipes is given smaller ones by the kernel. */
#define PIPE_BYTES (256 << 10)
/* What a socket of ours may have under way to who reads there; the kernel makes it less. By default
 * it is half of that, and who moves bytes has to wait twice as often. */
#define SEND_BYTES (1 << 20)
/* At a time: all that a pipe can have, however large what it holds is in pieces. */
#define SPLICE_BYTES ((size_t)1 << 20)

#define PIPE_NULL                                  \
        (Pipe) {                                   \
                .reader = -EBADF, .writer = -EBADF \
        }

static void pipe_close(Pipe *pipe) {
        pipe->reader = close_fd(pipe->reader);
        pipe->writer = close_fd(pipe->writer);
}

void pipe_store_deinit(PipeStore *store) {
        while (store->n > 0)
                pipe_close(&store->pipes[--store->n]);
}

static int pipe_store_take(PipeStore *store, Pipe *ret) {
        int ends[2];

        if (store->n > 0) {
                *ret = store->pipes[--store->n];
                return 0;
        }

        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
        *ret = (Pipe){.reader = ends[0], .writer = ends[1]};
        return 0;
}

/* Back, if it is empty: what is in one is not for somebody else. */
static void flow_release_pipe(Flow *flow, PipeStore *store) {
        if (flow->pipe.reader < 0)
                return;

        if (flow->held == 0 && store->n < PIPE_STORE_SIZE)
                store->pipes[store->n++] = flow->pipe;
        else
                pipe_close(&flow->pipe);
        flow->pipe = PIPE_NULL;
        flow->held = 0;
}

int joint_init_consume_fds(Joint *joint, int a, int b) {
        const Flow flow = {.pipe = PIPE_NULL, .readable = true, .writable = true};

        *joint = (Joint){.fds = {a, b}, .flows = {flow, flow}};
        for (size_t i = 0; i < 2; i++) {
                int flags = fcntl(joint->fds[i], F_GETFL), size = SEND_BYTES;

                (void)setsockopt(joint->fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
                if (flags < 0 || fcntl(joint->fds[i], F_SETFL, flags | O_NONBLOCK) < 0) {
                        int r = -errno;

                        joint_deinit(joint);
                        return r;
                }
        }

        return 0;
}

void joint_deinit(Joint *joint) {
        for (size_t i = 0; i < 2; i++) {
                if (joint->fds[i] >= 0)
                        (void)shutdown(joint->fds[i], SHUT_RDWR);
                joint->fds[i] = close_fd(joint->fds[i]);
                pipe_close(&joint->flows[i].pipe);
        }
}

/* Nobody reads any more what comes from this socket: whoever writes there is told so. */
static void flow_abandon(Flow *flow, int from) {
        (void)shutdown(from, SHUT_RD);
        pipe_close(&flow->pipe);
        flow->held = 0;
        flow->ended = flow->done = true;
}

void joint_hear(Joint *joint, size_t side, uint32_t events) {
        Flow *from = &joint->flows[side], *to = &joint->flows[!side];

        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                from->readable = true;
        if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                to->writable = true;
        /* Whoever is gone reads nothing any more. */
        if (events & EPOLLHUP && !to->done)
                flow_abandon(to, joint->fds[!side]);
}

uint32_t joint_events(const Joint *joint, size_t side) {
        const Flow *to = &joint->flows[!side];

        return EPOLLIN | EPOLLRDHUP | EPOLLET | (to->writable || to->done ? 0 : EPOLLOUT);
}

static ssize_t splice_now(int from, int to, size_t size) {
        ssize_t n;

        do
                n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : n;
}

/* Into the empty pipe: so to wait can only be that there is nothing to read. 0, -errno. */
static int flow_fill(Flow *flow, int from, PipeStore *store) {
        ssize_t n;
        int r;

        if (flow->pipe.reader < 0) {
                r = pipe_store_take(store, &flow->pipe);
                if (r < 0)
                        return r;
        }

        n = splice_now(from, flow->pipe.writer, SPLICE_BYTES);
        if (n > 0)
                flow->held = (size_t)n;
        else if (n == 0 || n == -ECONNRESET)
                flow->ended = true;
        else if (n == -EAGAIN)
                flow->readable = false;
        else
                return (int)n;

        return 0;
}

/* Out of the pipe: to wait can only be that there is no room. 0, -EPIPE if nobody reads there any
 * more, -errno. */
static int flow_drain(Flow *flow, int to) {
        ssize_t n;

        n = splice_now(flow->pipe.reader, to, flow->held);
        if (n > 0)
                flow->held -= (size_t)n;
        else if (n == -EAGAIN)
                flow->writable = false;
        else if (n == -ECONNRESET || n == -ENOTCONN)
                return -EPIPE;
        else
                return n < 0 ? (int)n : -EIO;

        return 0;
}

/* One step of it. 1 if there may be another, 0 if not, -errno. */
static int flow_step(Flow *flow, int from, int to, PipeStore *store, size_t *moved) {
        int r;

        if (flow->held > 0) {
                if (!flow->writable)
                        return 0;
                *moved += flow->held;
                r = flow_drain(flow, to);
                *moved -= flow->held;
                return r < 0 ? r : 1;
        }

        if (flow->ended) {
                (void)shutdown(to, SHUT_WR);
                flow->done = true;
                return 0;
        }
        if (!flow->readable)
                return 0;

        r = flow_fill(flow, from, store);
        return r < 0 ? r : 1;
}

/* 0 once there is nothing to be done now, 1 if there is and others wait, -errno. */
static int flow_run(Flow *flow, int from, int to, PipeStore *store) {
        size_t moved = 0;
        int r = 1;

        while (r > 0 && !flow->done && moved < JOINT_TURN_BYTES)
                r = flow_step(flow, from, to, store, &moved);

        if (r == -EPIPE) {
                flow_abandon(flow, from);
                r = 0;
        }
        if (flow->held == 0)
                flow_release_pipe(flow, store);
        return flow->done ? 0 : r;
}

static bool is_shortage(int r) {
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS;
}

int joint_process(Joint *joint, PipeStore *store) {
        int result = JOINT_E_WAIT;

        for (size_t i = 0; i < 2; i++) {
                int r = flow_run(&joint->flows[i], joint->fds[i], joint->fds[!i], store);

                if (is_shortage(r))
                        result = JOINT_E_SHORT;
                else if (r < 0)
                        return _JOINT_E_OVER;
                else if (r > 0 && result == JOINT_E_WAIT)
                        result = JOINT_E_MORE;
        }

        return joint->flows[0].done && joint->flows[1].done ? _JOINT_E_OVER : result;
}
