#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Socket: messages with descriptors and credentials
 *
 * The kernel delivers as many descriptors as the control buffer has room for, also when only one
 * was meant; every one that arrives is either handed to the caller or closed here. A truncated
 * control message is an error: something was sent that we do not take.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include "common/macros.h"

#define SOCKET_FDS_MAX 4U

typedef struct SocketAncillary {
        bool has_credentials;
        struct ucred credentials; /* of the sender, as the kernel vouches; real uid */
        int fds[SOCKET_FDS_MAX];
        size_t n_fds;
} SocketAncillary;

/* Makes an address of a path, or of an abstract name written with a leading @. Returns its length,
 * or -ENAMETOOLONG. */
int socket_address(const char *path, struct sockaddr_un *ret) _must_check_;

/* Whether this is a socket of which the kernel says so: a SO_* whose value is an int. */
bool socket_option_is(int fd, int option, int expected) _must_check_;

/* One recvmsg(2): the number of bytes, 0 at the end, or -errno. With want_fds no more than that
 * many descriptors are taken, 0 takes none and has the kernel drop them. More than wanted, or a
 * control message that was cut: -EBADMSG, and nothing is kept. Descriptors are the caller's, with
 * close-on-exec. */
ssize_t socket_receive(int fd, void *buf, size_t size, size_t want_fds,
                       SocketAncillary *ret) _must_check_;

/* The same, and -EAGAIN if nothing is there, whatever the descriptor's mode: where others hold
 * copies of a socket, they have a say in that. */
ssize_t socket_receive_now(int fd, void *buf, size_t size, size_t want_fds,
                           SocketAncillary *ret) _must_check_;

/* One sendmsg(2), never raising SIGPIPE, with one descriptor unless pass_fd is negative. The number
 * of bytes or -errno. */
ssize_t socket_send(int fd, const void *data, size_t size, int pass_fd);

/* The accepted connections of a listener with this option, and messages on this socket, carry the
 * sender's credentials. Before listen(2) or connect(2). */
int socket_set_passcred(int fd) _must_check_;

/* A pair for messages, with close-on-exec and flags (SOCK_NONBLOCK, or 0), on which every one
 * carries its sender's credentials: there is no message from before. */
int socket_pair(int flags, int ret[2]) _must_check_;
