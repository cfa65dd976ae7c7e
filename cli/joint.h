#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Joint: joins two stream sockets, both ways
 *
 * For sockets that are ours alone, many at a time: what comes from one goes through a pipe to the
 * other by splice(2), and is never copied into this process. (common/pump.h is for whatever else
 * there is: standard streams, which others share, terminals and devices, which splice(2) does not
 * take.)
 *
 * Nothing is read while what was read before has not gone on, so whoever is slow slows the other
 * side. The end of one way is passed on and leaves the other open. When one side is gone
 * altogether, what it had said is passed on first.
 *
 * A pipe is had only while something is in it, so a joint that is idle is two sockets and this
 * structure. Readiness is heard of once (EPOLLET) and remembered here, so that nothing has to be
 * told to epoll(7) while bytes flow, and nothing is heard again and again of a side that has hung
 * up while the other is slow.
 */

#include <sys/epoll.h>

#include "common/macros.h"

/* What a joint may move before others have their turn. */
#define JOINT_TURN_BYTES (4U << 20)
/* Pipes that are kept for the next joint that needs one. */
#define PIPE_STORE_SIZE 4U

typedef struct Pipe {
        int reader, writer;
} Pipe;

typedef struct PipeStore {
        Pipe pipes[PIPE_STORE_SIZE];
        size_t n;
} PipeStore;

void pipe_store_deinit(PipeStore *store);

/* From one side to the other. */
typedef struct Flow {
        Pipe pipe;     /* of -EBADF while nothing is in it */
        size_t held;   /* what is in it */
        bool readable; /* there may be something to read, */
        bool writable; /* and room for it */
        bool ended;    /* nothing more comes, or nobody wants it */
        bool done;     /* and that was passed on */
} Flow;

typedef struct Joint {
        int fds[2];
        Flow flows[2]; /* of what comes from fds[i] */
} Joint;

enum {
        _JOINT_E_OVER, /* both ways have ended, or cannot go on */
        JOINT_E_WAIT,  /* for what joint_events() says */
        JOINT_E_MORE,  /* others should have their turn, and then this again */
        JOINT_E_SHORT, /* there is no pipe to be had: to be tried again later */
};

/* Takes two sockets, which are made not to wait. SIGPIPE must be ignored. -errno, and they are
 * closed. */
int joint_init_consume_fds(Joint *joint, int a, int b) _must_check_;

/* Hangs up on both sides, also where others hold copies of the sockets (the broker does), and
 * closes. */
void joint_deinit(Joint *joint);

/* What was heard of one side, and what is to be waited for there: edges, of which none comes twice.
 */
void joint_hear(Joint *joint, size_t side, uint32_t events);
uint32_t joint_events(const Joint *joint, size_t side);

/* Moves what can be moved. JOINT_E_*. */
int joint_process(Joint *joint, PipeStore *store) _must_check_;
