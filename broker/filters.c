/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "broker/filters.h"
#include "broker/helper.h"
#include "common/socket.h"
#include "common/userfile.h"

struct FilterCall {
        int fd;
        uid_t uid; /* who answers */
        sd_event_source *io;
        sd_event_source *timer;
        FilterFunc func;
        void *userdata;
};

static FilterCall *filter_call_free(FilterCall *call) {
        sd_event_source_disable_unref(call->io);
        sd_event_source_disable_unref(call->timer);
        close_fd(call->fd);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(FilterCall *, filter_call_free);

static void call_finish(FilterCall *call, int error, const FilterReply *reply, int client_fd,
                        int link_fd) {
        FilterFunc func = call->func;
        void *userdata = call->userdata;

        filter_call_free(call);
        func(error, reply, client_fd, link_fd, userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        call_finish(userdata, ETIMEDOUT, NULL, -EBADF, -EBADF);
        return 0;
}

/* Whether it is one end of a pair that the filter has made. */
static bool is_made_by(int fd, uid_t uid) {
        socklen_t n = sizeof(struct ucred);
        struct ucred credentials;

        return socket_option_is(fd, SO_TYPE, SOCK_STREAM) &&
               getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) == 0 &&
               n == sizeof(credentials) && credentials.uid == uid;
}

/* Whether this is the filter's answer, with what belongs to it. */
static bool take_reply(const FilterCall *call, const uint8_t *buf, size_t size,
                       const SocketAncillary *ancillary, FilterReply *ret) {
        if (!ancillary->has_credentials || ancillary->credentials.uid != call->uid ||
            filter_reply_decode(buf, size, ret) < 0)
                return false;

        return ret->ok ? ancillary->n_fds == 1 && is_made_by(ancillary->fds[0], call->uid)
                       : ancillary->n_fds == 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        FilterCall *call = userdata;
        _cleanup_close_ int client_fd = -EBADF;
        uint8_t buf[FILTER_MESSAGE_SIZE];
        SocketAncillary ancillary = {};
        FilterReply reply;
        ssize_t n;

        n = socket_receive(fd, buf, sizeof(buf), 1, &ancillary);
        if (n == -EAGAIN)
                return 0;
        if (n > 0 && ancillary.n_fds > 0)
                client_fd = ancillary.fds[0];

        if (n <= 0)
                call_finish(call, n < 0 ? (int)-n : ECONNRESET, NULL, -EBADF, -EBADF);
        else if (!take_reply(call, buf, (size_t)n, &ancillary, &reply))
                call_finish(call, EPROTO, NULL, -EBADF, -EBADF);
        else if (!reply.ok)
                call_finish(call, 0, &reply, -EBADF, -EBADF);
        else {
                /* The connection stays, and whoever has it watches it anew. */
                sd_event_source_disable_unref(TAKE_PTR(call->io));
                call_finish(call, 0, &reply, TAKE_FD(client_fd), TAKE_FD(call->fd));
        }
        return 0;
}

static int call_send(const FilterCall *call, const FilterRequest *request, int service_fd) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        size_t size = filter_request_encode(request, buf);

        return helper_send(call->fd, buf, size, service_fd);
}

int filters_init(Filters *filters, sd_event *event, const char *path, const char *passwd,
                 const char *user) {
        *filters = (Filters){
                .event = event,
                .path = strdup(path),
                .passwd = strdup(passwd),
                .user = strdup(user),
        };
        return filters->path && filters->passwd && filters->user ? 0 : -ENOMEM;
}

void filters_deinit(Filters *filters) {
        free(filters->path);
        free(filters->passwd);
        free(filters->user);
        *filters = (Filters){};
}

int filters_call_consume_fd(const Filters *filters, const FilterRequest *request, int service_fd,
                            uint64_t usec, FilterFunc func, void *userdata, FilterCall **ret) {
        _cleanup_(filter_call_freep) FilterCall *call = NULL;
        _cleanup_close_ int service = service_fd;
        int r;

        call = malloc(sizeof(*call));
        if (!call)
                return -ENOMEM;
        *call = (FilterCall){.fd = -EBADF, .func = func, .userdata = userdata};

        /* Looked up each time: the user can have been made after the broker was started. */
        r = userfile_get_uid(filters->passwd, filters->user, &call->uid);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        call->fd = helper_connect(filters->path);
        r = call->fd < 0 ? call->fd : call_send(call, request, service);
        if (r == 0)
                r = sd_event_add_io(filters->event, &call->io, call->fd, EPOLLIN, on_io, call);
        if (r >= 0)
                r = sd_event_add_time_relative(filters->event, &call->timer, CLOCK_MONOTONIC, usec,
                                               0, on_timer, call);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

FilterCall *filter_call_cancel(FilterCall *call) {
        return call ? filter_call_free(call) : NULL;
}
