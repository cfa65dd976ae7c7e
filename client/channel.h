#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Channel: the verified byte stream under a wire
 *
 * Connects to the broker's socket, finds out who made it, and lets nothing in that the broker's own
 * user did not send (trust.h). What the bytes mean is the wire's business.
 *
 * A channel that failed is closed, for good: what was lost in the middle cannot be found again. Its
 * path is kept, for what is still to be said about it.
 */

#include "client/error.h"
#include "common/varlink.h"

/* A point in time, in ms of CLOCK_MONOTONIC. */
#define CHANNEL_NO_DEADLINE INT64_MAX
/* connect(2) on a full queue fails at once. */
#define CHANNEL_RETRY_MS 10

typedef struct Channel {
        int fd; /* -EBADF once it is closed */
        char *path;
        uid_t owner; /* of the socket's inode: whose every byte must be */
        bool secure;
        bool gone; /* closed because the other end had hung up */
} Channel;

#define CHANNEL_NULL \
        { .fd = -EBADF, .path = NULL, .owner = (uid_t)-1 }

/* A time-out as such a point, and what is left of it: never less than 0, and -1 if there is none.
 */
int64_t channel_deadline(int timeout_ms);
int channel_deadline_left(int64_t deadline);

/* Where the broker is: DOORWARD_SOCKET from the environment (which does not count in a program that
 * gained privileges), else the system's. Borrowed. */
const char *channel_broker_path(void);

/* Says where to: path NULL is the broker's. -errno and the error; *channel is to be deinitialised
 * in any case. */
int channel_init(Channel *channel, const char *path, doorward_error *error) _must_check_;

/* Connects, without waiting. -EAGAIN, with no error set, if more are connecting than the broker has
 * room for: there is nothing to poll for, so it is to be tried again after CHANNEL_RETRY_MS, for as
 * long as the caller likes; channel_fail_full() is the error then. */
int channel_connect(Channel *channel, doorward_error *error) _must_check_;
int channel_fail_full(Channel *channel, doorward_error *error);

/* Does that until the deadline. */
int channel_open(Channel *channel, int64_t deadline, doorward_error *error) _must_check_;
void channel_close(Channel *channel);

/* Has the kernel do the waiting, for so long: what is sent and received is then one system call
 * each, and a deadline of now waits, too. A signal begins the time anew, so that a deadline is not
 * exact any more where signals come often; a broker that hangs is ended by its watchdog. */
int channel_make_blocking(Channel *channel, int timeout_ms, doorward_error *error) _must_check_;

/* Hangs up also where others hold copies of the socket: a child that was forked, say. */
void channel_hang_up(Channel *channel);
void channel_deinit(Channel *channel);

/* Writes everything. That the other end has hung up is no failure: it may have said why first,
 * which channel_receive() will see. -EAGAIN, with no error set and the rest still in the output, if
 * the deadline passed. */
int channel_send(Channel *channel, VarlinkOutput *output, int64_t deadline,
                 doorward_error *error) _must_check_;

/* Reads once, whatever is there. -EAGAIN, with no error set and the channel still good, if the
 * deadline passed. */
int channel_receive(Channel *channel, VarlinkInput *input, size_t want_fds, int64_t deadline,
                    doorward_error *error) _must_check_;

/* Close the channel and set the error. what completes "The broker at PATH ..."; returns -EBADMSG.
 */
int channel_fail_protocol(Channel *channel, doorward_error *error, const char *what);
int channel_fail_timeout(Channel *channel, doorward_error *error);
int channel_fail_memory(Channel *channel, doorward_error *error);
/* r is a negative errno, which is returned. */
int channel_fail_system(Channel *channel, doorward_error *error, int r, const char *what);

/* Of what could not be received: the kernel cuts off descriptors that there is no room for as it
 * does ones that nobody wanted. */
bool channel_is_out_of_fds(int fd);

/* A program that closed its standard streams is not to have them filled by our descriptors. Eats
 * the descriptor and gives one above 2, or -errno. */
int channel_move_fd_consume(int fd) _must_check_;
