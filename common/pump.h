#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pump: joins a pair of descriptors and an endpoint's, both ways
 *
 * Each way has one bounded buffer: nothing is read while it is full, so whoever is slow slows the
 * other side, and memory does not grow. The end of one way is passed on (shutdown of one direction
 * where the descriptor is a socket) and leaves the other open.
 *
 * Nobody's flags are changed but those of a device that is ours alone: O_NONBLOCK belongs to the
 * open file, which standard input and output share with other programs and a leased socket shares
 * with the broker. Sockets are read and written with MSG_DONTWAIT; for the rest poll(2) is asked
 * first, and no more than PIPE_BUF bytes are written at a time, which a pipe then takes without
 * waiting.
 *
 * What went through is erased in the end. It ends when both ways have ended; when the endpoint has
 * hung up and all that it said was passed on; or when nobody reads our output any more.
 */

#include "common/macros.h"

#define PUMP_BUFFER_SIZE 65536U

/* What is to be done once watch_fd has said something. */
typedef enum PumpWatch {
        PUMP_WATCH_ON = 1,
        PUMP_WATCH_OFF, /* it has no more to say */
        PUMP_WATCH_END, /* it is over, whatever is still on its way */
} PumpWatch;

typedef PumpWatch (*PumpWatchFunc)(void *userdata);

typedef struct PumpSpec {
        int input;    /* standard input */
        int output;   /* standard output; may be the same socket */
        int endpoint; /* what they are joined to */
        int watch_fd; /* -EBADF: nothing to watch */
        PumpWatchFunc watch;
        void *userdata;
} PumpSpec;

typedef enum PumpSide {
        PUMP_INPUT = 1,
        PUMP_OUTPUT,
        PUMP_ENDPOINT,
} PumpSide;

/* Closes output when its way ends; the others stay the caller's. SIGPIPE must be ignored. 0, or
 * -errno and *ret_side, where it happened. -EMEDIUMTYPE: that side keeps message boundaries, which
 * a stream of bytes would lose. */
int pump_run(const PumpSpec *spec, PumpSide *ret_side) _must_check_;
