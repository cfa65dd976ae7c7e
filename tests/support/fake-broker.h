#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fake broker: the other end of a wire, for unit tests
 *
 * A thread of the test process that listens on a socket in a folder of its own, to which
 * DOORWARD_SOCKET points, and does what a script (a function) says: to the library it is the
 * instance that somebody runs for themselves. A script never waits for long, and what it finds
 * wrong is reported by fake_broker_stop(), since an assertion belongs to the test's own thread.
 */

#include <pthread.h>
#include <sys/types.h>

#include "common/macros.h"

#define FAKE_TIMEOUT_MS 5000

typedef struct FakeBroker FakeBroker;
typedef void (*FakeScript)(FakeBroker *broker);

struct FakeBroker {
        char folder[64];
        char path[96];
        int listener;
        int fd;         /* the connection that was accepted last */
        char buf[8192]; /* what was read of it and not yet taken */
        size_t n;
        FakeScript script;
        const void *data; /* for the script */
        pthread_t thread;
        bool stopping;     /* atomic: fake_broker_stop() was called */
        char failure[512]; /* the first thing that was wrong */
};

/* Listens, points DOORWARD_SOCKET there and starts the script. */
FakeBroker *fake_broker_start(FakeScript script, const void *data);

/* The same in two steps, for a test that forks: in between, while there is no thread yet. What a
 * thread has locked (the allocator of a sanitizer, say) stays locked for ever in a child. */
FakeBroker *fake_broker_listen(FakeScript script, const void *data);
void fake_broker_go(FakeBroker *broker);
/* Waits for the script to end, fails the test if it found something, and removes everything. */
void fake_broker_stop(FakeBroker *broker);

/* Whether a script that serves whoever comes is to end. */
bool fake_broker_is_stopping(FakeBroker *broker);

/* For scripts. All of them do nothing once something was wrong. */
void fake_accept(FakeBroker *broker);
/* Accepts if somebody comes within that time. */
bool fake_try_accept(FakeBroker *broker, int timeout_ms);
/* Reads a call, which must be this JSON; NULL: any. */
void fake_expect(FakeBroker *broker, const char *json);
/* Takes a call, whatever it is; false if the client hangs up instead. */
bool fake_try_read(FakeBroker *broker);
/* Sends a message, with its NUL, and with these descriptors, which are closed. */
void fake_send(FakeBroker *broker, const char *json);
void fake_send_fds(FakeBroker *broker, const char *json, const int *fds, size_t n_fds);
void fake_send_bytes(FakeBroker *broker, const void *data, size_t n);
/* Sends a message with one end of a new stream socket, and returns the other. */
int fake_send_socket(FakeBroker *broker, const char *json);
/* Sends a message with the client's end of a new conversation, in which this is asked without
 * echo. Returns the helper's end. */
int fake_begin_conversation(FakeBroker *broker, const char *json, const char *prompt);
/* Takes the answer, which is to be this (NULL: a cancel), and ends the conversation. */
void fake_end_conversation_consume_fd(FakeBroker *broker, int fd, const char *answer);
void fake_close(FakeBroker *broker);
/* Leaves the connection that there is, for another to be accepted; and goes back to it. */
int fake_put_aside(FakeBroker *broker);
void fake_take_up_consume_fd(FakeBroker *broker, int fd);
/* The client is to hang up, within the time-out and without another word. */
void fake_expect_hang_up(FakeBroker *broker);
/* The client is to keep quiet for so long, and to stay. */
void fake_expect_silence(FakeBroker *broker, int timeout_ms);
void fake_fail(FakeBroker *broker, const char *format, ...) _printf_(2, 3);
