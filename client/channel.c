/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "client/channel.h"
#include "client/trust.h"
#include "common/socket.h"
#include "config.h"

#define SOCKET_VARIABLE "DOORWARD_SOCKET"

static int64_t now_ms(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t channel_deadline(int timeout_ms) {
        return timeout_ms < 0 ? CHANNEL_NO_DEADLINE : now_ms() + timeout_ms;
}

int channel_deadline_left(int64_t deadline) {
        int64_t left;

        if (deadline == CHANNEL_NO_DEADLINE)
                return -1;

        left = deadline - now_ms();
        return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* 0 once the descriptor is ready, or -EAGAIN if it is not in time, or another -errno. */
static int wait_ready(int fd, short events, int64_t deadline) {
        struct pollfd p = {.fd = fd, .events = events};
        int r = 0, left;

        while (r == 0 && (left = channel_deadline_left(deadline)) != 0) {
                r = poll(&p, 1, left);
                if (r < 0 && errno == EINTR)
                        r = 0;
        }

        return r < 0 ? -errno : r == 0 ? -EAGAIN : 0;
}

int channel_move_fd_consume(int fd) {
        int moved;

        if (fd > STDERR_FILENO)
                return fd;

        moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (moved < 0)
                moved = -errno;
        close_fd(fd);
        return moved;
}

void channel_close(Channel *channel) {
        channel->fd = close_fd(channel->fd);
}

void channel_hang_up(Channel *channel) {
        if (channel->fd >= 0)
                (void)shutdown(channel->fd, SHUT_RDWR);
        channel_close(channel);
}

void channel_deinit(Channel *channel) {
        channel_close(channel);
        free(channel->path);
        *channel = (Channel)CHANNEL_NULL;
}

static const char *errno_text(int r) {
        return strerrordesc_np(-r) ?: "unknown error";
}

int channel_fail_protocol(Channel *channel, doorward_error *error, const char *what) {
        channel_close(channel);
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, EPROTO,
                  "The broker at %s %s.", channel->path, what);
        error_set_hint(error, "Do the broker and this program belong to the same version? An "
                              "administrator upgrades the older one.");
        return -EBADMSG;
}

int channel_fail_timeout(Channel *channel, doorward_error *error) {
        channel_close(channel);
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                  "The broker at %s did not answer in time.", channel->path);
        error_set_hint(error, "An administrator starts it anew with: systemctl restart "
                              "doorward.service");
        return -ETIMEDOUT;
}

int channel_fail_memory(Channel *channel, doorward_error *error) {
        channel_close(channel);
        return error_no_memory(error);
}

int channel_fail_system(Channel *channel, doorward_error *error, int r, const char *what) {
        channel_close(channel);
        return error_system(error, r, what);
}

/* Whoever answers is not who may. Nothing that it says is repeated. */
static int fail_stranger(Channel *channel, doorward_error *error, const char *what) {
        (void)channel_fail_protocol(channel, error, what);
        error_set_hint(error, "This is not the system's broker; nothing was asked of it or "
                              "believed. An administrator puts that back with: systemctl restart "
                              "doorward.socket");
        return -EBADMSG;
}

static int fail_gone(Channel *channel, doorward_error *error, int r) {
        channel_close(channel);
        channel->gone = true;
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_NO_BROKER, -r,
                  "The broker at %s ended the connection before it answered.", channel->path);
        error_set_hint(error, "Try again: it is started anew when it is asked. If it ends again, "
                              "an administrator sees why by 'journalctl -u doorward.service'.");
        return r;
}

/* There is no broker to talk to. */
static int fail_connect(Channel *channel, doorward_error *error, int r) {
        const char *what = r == -ENOENT         ? "nothing is there"
                           : r == -ECONNREFUSED ? "nobody listens there"
                           : r == -ENOTSOCK     ? "what is there is no socket"
                           : r == -EAGAIN       ? "it takes no connections at present"
                                                : errno_text(r);

        channel_close(channel);
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_NO_BROKER, -r,
                  "The broker cannot be reached at %s: %s.", channel->path, what);

        if (!streq(channel->path, BROKER_SOCKET))
                error_set_hint(error, "That path is not the system's broker: is it what "
                                      "DOORWARD_SOCKET in the environment, or socket= of the "
                                      "URI, is to say?");
        else if (r == -EACCES || r == -EPERM)
                error_set_hint(error, "Everybody may connect to the broker. An administrator "
                                      "makes its socket anew with: systemctl restart "
                                      "doorward.socket");
        else
                error_set_hint(error, "If doorward is installed, an administrator starts it with: "
                                      "systemctl start doorward.socket");
        return r;
}

static int check_listener(Channel *channel, uid_t own, uid_t root, doorward_error *error) {
        struct ucred listener = {.uid = (uid_t)-1};
        socklen_t n = sizeof(listener);
        TrustEvidence evidence;

        if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &listener, &n) < 0)
                return channel_fail_system(channel, error, -errno,
                                           "The broker cannot be identified");

        evidence = (TrustEvidence){
                .owner = channel->owner,
                .listener = listener.uid,
                .own = own,
                .root = root,
                .is_default = streq(channel->path, BROKER_SOCKET),
        };
        if (trust_judge(&evidence, &channel->secure) < 0)
                return fail_stranger(channel, error,
                                     "is not to be trusted: its socket was not made by root");

        return 0;
}

static int make_socket(Channel *channel) {
        struct stat st;
        int fd;

        if (stat(channel->path, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        channel->owner = st.st_uid;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        fd = channel_move_fd_consume(fd);
        if (fd < 0)
                return fd;

        channel->fd = fd;
        return 0;
}

static int make_connection(const Channel *channel) {
        struct sockaddr_un address;
        int n, r;

        n = socket_address(channel->path, &address);
        if (n < 0)
                return n;

        do
                r = connect(channel->fd, (struct sockaddr *)&address, (socklen_t)n);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;

        /* Not before: connect(2) gives a name of its own to a socket that has this set, and openers
         * take nobody for a client whose socket has one. No message comes without its sender all
         * the same, since the broker's end has it set from the beginning. */
        return socket_set_passcred(channel->fd);
}

const char *channel_broker_path(void) {
        const char *path = secure_getenv(SOCKET_VARIABLE);

        return path && path[0] ? path : BROKER_SOCKET;
}

int channel_init(Channel *channel, const char *path, doorward_error *error) {
        *channel = (Channel)CHANNEL_NULL;
        channel->path = strdup(path && path[0] ? path : channel_broker_path());
        return channel->path ? 0 : error_no_memory(error);
}

int channel_connect(Channel *channel, doorward_error *error) {
        uid_t own = geteuid(), root;
        int r;

        /* What takes time comes before the connection: the broker then finds the call there when it
         * accepts it. */
        root = trust_find_root(own);
        r = channel->fd < 0 ? make_socket(channel) : 0;
        if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS)
                return channel_fail_system(channel, error, r, "No socket can be made");
        if (r == 0)
                r = make_connection(channel);
        if (r == -EAGAIN)
                return r;
        if (r < 0)
                return fail_connect(channel, error, r);

        return check_listener(channel, own, root, error);
}

int channel_fail_full(Channel *channel, doorward_error *error) {
        return fail_connect(channel, error, -EAGAIN);
}

int channel_open(Channel *channel, int64_t deadline, doorward_error *error) {
        int r;

        while ((r = channel_connect(channel, error)) == -EAGAIN) {
                if (channel_deadline_left(deadline) == 0)
                        return channel_fail_full(channel, error);
                (void)poll(NULL, 0, CHANNEL_RETRY_MS);
        }

        return r;
}

int channel_make_blocking(Channel *channel, int timeout_ms, doorward_error *error) {
        struct timeval t = {
                .tv_sec = timeout_ms / 1000,
                .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000,
        };

        if (fcntl(channel->fd, F_SETFL, 0) < 0 ||
            setsockopt(channel->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
            setsockopt(channel->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
                return channel_fail_system(channel, error, -errno,
                                           "The connection to the broker cannot be set up");

        return 0;
}

int channel_send(Channel *channel, VarlinkOutput *output, int64_t deadline, doorward_error *error) {
        const char *data;
        size_t n;
        int pass_fd, r = 0;
        ssize_t k;

        while (r == 0 && varlink_output_peek(output, &data, &n, &pass_fd)) {
                k = socket_send(channel->fd, data, n, pass_fd);
                if (k >= 0)
                        varlink_output_advance(output, (size_t)k);
                else if (k == -EAGAIN)
                        r = wait_ready(channel->fd, POLLOUT, deadline);
                else
                        r = (int)k;
        }

        if (r == -EPIPE || r == -ECONNRESET) {
                varlink_output_deinit(output);
                return 0;
        }
        if (r < 0 && r != -EAGAIN)
                return channel_fail_system(channel, error, r, "The broker cannot be written to");

        return r;
}

bool channel_is_out_of_fds(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        close_fd(copy);
        return copy < 0;
}

int channel_receive(Channel *channel, VarlinkInput *input, size_t want_fds, int64_t deadline,
                    doorward_error *error) {
        SocketAncillary ancillary;
        size_t size;
        ssize_t n;
        char *buf;
        int r;

        if (varlink_input_space(input, &buf, &size) < 0)
                return channel_fail_memory(channel, error);

        while ((n = socket_receive(channel->fd, buf, size, want_fds, &ancillary)) == -EAGAIN) {
                r = wait_ready(channel->fd, POLLIN, deadline);
                if (r == -EAGAIN)
                        return r;
                if (r < 0)
                        return channel_fail_system(channel, error, r, "Waiting failed");
        }

        if (n == -EBADMSG && channel_is_out_of_fds(channel->fd))
                return channel_fail_system(channel, error, -EMFILE,
                                           "The descriptor that the broker sent cannot be taken");
        if (n == -EBADMSG)
                return channel_fail_protocol(channel, error, "sent descriptors that nobody wanted");
        if (n <= 0)
                return fail_gone(channel, error, n == 0 ? -ECONNRESET : (int)n);

        r = varlink_input_commit_consume_fds(input, (size_t)n, ancillary.fds, ancillary.n_fds);
        if (r < 0)
                return channel_fail_protocol(channel, error, "sent descriptors that nobody wanted");
        if (!ancillary.has_credentials || ancillary.credentials.uid != channel->owner)
                return fail_stranger(channel, error,
                                     "is not to be trusted: somebody else answered in its place");

        return 0;
}
