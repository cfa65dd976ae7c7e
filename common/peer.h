#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peer: who is on the other end, as the kernel vouches
 *
 * SO_PEERCRED says who called connect(2): the uid decides. The pid alone says little, since numbers
 * are used again; a pidfd pins the process. Where the kernel has SO_PEERPIDFD (Linux 6.5) it gives
 * the pidfd of the very process that connected. Before, pidfd_open(2) on the number could pin a
 * stranger, so the pin counts only after the peer has proved, by a message with a fresh nonce whose
 * SCM_CREDENTIALS are the kernel's, that the process under that number is the one that holds the
 * socket, and the pidfd is found alive after that.
 *
 * On both paths each message must come from the pinned process: a child that inherited the socket,
 * or whoever was passed it, is somebody else.
 *
 * A uid of 0 that was never set would make policy say yes, so there are no zero defaults here: an
 * unset uid is PEER_UID_INVALID, an unset pid is 0 and refused like any pid that is not above 1.
 */

#include <sys/socket.h>
#include <sys/types.h>

#include "common/macros.h"

#define PEER_UID_INVALID ((uid_t)-1)
/* polkit's uid is a signed 32-bit number. */
#define PEER_UID_MAX ((uid_t)INT32_MAX)
/* What a user namespace shows in place of ids that it does not map: the kernel's default of
 * /proc/sys/kernel/overflowuid. */
#define PEER_UID_OVERFLOW ((uid_t)65534)

enum {
        _PEER_E_SUCCESS,
        PEER_E_UNSUPPORTED, /* the kernel has no SO_PEERPIDFD */
        PEER_E_GONE,        /* the process has ended */
        PEER_E_REFUSED,     /* an identity that is never served: see peer_is_servable() */
        PEER_E_HIDDEN,      /* /proc does not show it: hidepid */
};

typedef struct Peer {
        uid_t uid;
        gid_t gid;
        pid_t pid;
        int pidfd;
        bool proven; /* the pidfd is of the process that holds the socket, not merely of its pid */
} Peer;

#define PEER_NULL \
        { .uid = PEER_UID_INVALID, .gid = (gid_t)-1, .pid = 0, .pidfd = -EBADF }

void peer_deinit(Peer *peer);

/* SO_PEERCRED. -errno, or PEER_E_REFUSED for what peer_is_servable() refuses. */
int peer_get_credentials(int fd, struct ucred *ret) _must_check_;

/* SO_PEERPIDFD: the descriptor is the caller's. PEER_E_UNSUPPORTED, PEER_E_GONE, -errno. A pidfd
 * that was got can be of a process that has ended. */
int peer_get_pidfd(int fd, int *ret) _must_check_;

/* Reads the credentials and pins the process. With use_peerpidfd false, or a kernel that has none,
 * the peer is not yet proven. PEER_E_GONE, PEER_E_REFUSED, -errno. */
int peer_init(Peer *peer, int fd, bool use_peerpidfd) _must_check_;

/* Whether the process that was pinned still runs. */
bool peer_is_alive(const Peer *peer);

/* A pid above 1 and a uid that is a number below 2^31 and not the overflow uid. */
bool peer_is_servable(const struct ucred *credentials);

/* Whether the sender of a message is the pinned process. */
bool peer_is_sender(const Peer *peer, const struct ucred *sender);

/* When the process started, in clock ticks since boot: what polkit wants beside the pid. Compares
 * nothing by itself: ask peer_is_alive() afterwards. PEER_E_GONE, PEER_E_HIDDEN, -errno. */
int peer_get_start_time(const Peer *peer, uint64_t *ret) _must_check_;

/* Where it lives, seen from our own namespaces: whether its uid_map is not the whole range, one to
 * one; and whether it has a pid in a namespace below ours. The same caution holds. PEER_E_GONE,
 * PEER_E_HIDDEN, -errno. */
int peer_get_foreign_user(const Peer *peer, bool *ret) _must_check_;
int peer_get_foreign_pid(const Peer *peer, bool *ret) _must_check_;

/* The text of /proc/PID/cgroup, or as much of it as fits, with a NUL behind it. As above. */
int peer_get_cgroup(const Peer *peer, char *buf, size_t size) _must_check_;

/* The name of its program, which the program can change; without what is not printable ASCII. As
 * above. */
#define PEER_COMMAND_SIZE 64U
int peer_get_command(const Peer *peer, char *buf, size_t size) _must_check_;

/* The number of its controlling terminal's device, as the kernel writes it there; 0: it has none.
 * As above. */
int peer_get_terminal(const Peer *peer, uint32_t *ret) _must_check_;

/* Whether the process had this group when it connected: SO_PEERGROUPS, and its own group. fd is its
 * connection. -errno. */
int peer_has_group(const Peer *peer, int fd, gid_t group, bool *ret) _must_check_;

/* Parsers of /proc/PID/stat, /proc/PID/status and /proc/PID/uid_map, for the above. -EBADMSG. */
int peer_parse_start_time(const char *stat, uint64_t *ret) _must_check_;
int peer_parse_terminal(const char *stat, uint32_t *ret) _must_check_;
int peer_parse_foreign_pid(const char *status, bool *ret) _must_check_;
int peer_parse_foreign_user(const char *uid_map, bool *ret) _must_check_;
