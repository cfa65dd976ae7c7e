/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/filter-broker.h"

static bool is_connection(int fd, int type) {
        return socket_option_is(fd, SO_DOMAIN, AF_UNIX) && socket_option_is(fd, SO_TYPE, type) &&
               socket_option_is(fd, SO_ACCEPTCONN, 0);
}

int filter_broker_init(FilterBroker *broker, int fd, uid_t uid) {
        struct ucred credentials;

        if (!is_connection(fd, SOCK_SEQPACKET) || !socket_option_is(fd, SO_PASSCRED, 1))
                return -EPROTOTYPE;
        if (peer_get_credentials(fd, &credentials) != 0 || credentials.uid != uid)
                return -EPERM;

        *broker = (FilterBroker){.fd = fd, .uid = uid, .pid = credentials.pid};
        return 0;
}

static int check_service(int fd) {
        struct sockaddr_un address;
        socklen_t n = sizeof(address);

        if (!is_connection(fd, SOCK_STREAM))
                return -EPROTOTYPE;
        return getpeername(fd, (struct sockaddr *)&address, &n) < 0 ? -errno : 0;
}

int filter_broker_receive(const FilterBroker *broker, int patience_msec, FilterRequest *ret,
                          int *ret_service) {
        struct pollfd p = {.fd = broker->fd, .events = POLLIN};
        _cleanup_close_ int service = -EBADF;
        uint8_t buf[FILTER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        FilterRequest request;
        ssize_t n;
        int r;

        r = poll(&p, 1, patience_msec);
        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;

        n = socket_receive(broker->fd, buf, sizeof(buf), 1, &ancillary);
        if (n < 0)
                return (int)n;
        if (ancillary.n_fds > 0)
                service = ancillary.fds[0];
        if (service < 0 || !ancillary.has_credentials || ancillary.credentials.pid != broker->pid ||
            ancillary.credentials.uid != broker->uid)
                return -EBADMSG;

        r = filter_request_decode(buf, (size_t)n, &request);
        if (r == 0)
                r = check_service(service);
        if (r < 0)
                return r;

        *ret = request;
        *ret_service = TAKE_FD(service);
        return 0;
}

static int broker_reply(const FilterBroker *broker, const FilterReply *reply, int pass_fd) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        size_t size = filter_reply_encode(reply, buf);
        ssize_t n = socket_send(broker->fd, buf, size, pass_fd);

        return n < 0 ? (int)n : 0;
}

int filter_broker_grant(const FilterBroker *broker, int client) {
        return broker_reply(broker, &(FilterReply){.ok = true}, client);
}

void filter_broker_refuse(const FilterBroker *broker, int error, const char *text) {
        FilterReply reply = {.error = error};

        (void)snprintf(reply.text, sizeof(reply.text), "%s", text);
        (void)broker_reply(broker, &reply, -EBADF);
}
