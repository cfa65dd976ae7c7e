/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/socket.h>

#include "common/socket.h"
#include "helpers/filter-broker.h"

static int check_service(int fd) {
        struct sockaddr_un address;
        socklen_t n = sizeof(address);

        if (!socket_option_is(fd, SO_DOMAIN, AF_UNIX) ||
            !socket_option_is(fd, SO_TYPE, SOCK_STREAM) || !socket_option_is(fd, SO_ACCEPTCONN, 0))
                return -EPROTOTYPE;
        return getpeername(fd, (struct sockaddr *)&address, &n) < 0 ? -errno : 0;
}

int filter_broker_receive(const Asker *broker, int patience_msec, FilterRequest *ret,
                          int *ret_service) {
        _cleanup_close_ int service = -EBADF;
        uint8_t buf[FILTER_MESSAGE_SIZE];
        FilterRequest request;
        ssize_t n;
        int r;

        n = asker_receive(broker, patience_msec, buf, sizeof(buf), &service);
        if (n < 0)
                return (int)n;

        r = filter_request_decode(buf, (size_t)n, &request);
        if (r == 0)
                r = check_service(service);
        if (r < 0)
                return r;

        *ret = request;
        *ret_service = TAKE_FD(service);
        return 0;
}

static int broker_reply(const Asker *broker, const FilterReply *reply, int pass_fd) {
        uint8_t buf[FILTER_MESSAGE_SIZE];

        return asker_send(broker, buf, filter_reply_encode(reply, buf), pass_fd);
}

int filter_broker_grant(const Asker *broker, int client) {
        return broker_reply(broker, &(FilterReply){.ok = true}, client);
}

void filter_broker_refuse(const Asker *broker, int error, const char *text) {
        FilterReply reply = {.error = error};

        (void)snprintf(reply.text, sizeof(reply.text), "%s", text);
        (void)broker_reply(broker, &reply, -EBADF);
}
