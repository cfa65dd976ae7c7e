/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <stdio.h>

#include "broker/deadline.h"
#include "broker/openers.h"
#include "common/socket.h"

/* How long a connection without calls is kept for the next one. */
#define LINK_IDLE_USEC (5 * UINT64_C(1000000))

typedef struct OpenerLink OpenerLink;

struct OpenerLink {
        Openers *openers;
        OpenerLink *next; /* Openers::links */
        char endpoint[NAME_ENDPOINT_MAX + 1];
        int fd;
        bool leaving; /* it takes no more calls, and still answers those that it has */
        sd_event_source *io;
        Deadline deadline; /* of the first call that can be late, or of an idle link */
        uint64_t idle_at;  /* when to close it, if there are no calls by then */
        OpenerCall *calls;
};

struct Openers {
        sd_event *event;
        DeadlineClock clock;
        char *folder;
        OpenerLink *links;
        uint32_t last_id;
};

/* A call outlives its cancellation until the opener answers: its number must not be used again, and
 * a descriptor that comes must be closed. */
struct OpenerCall {
        OpenerLink *link;
        OpenerCall *next; /* OpenerLink::calls */
        uint32_t id;
        uint64_t end;    /* by when there must be an answer */
        OpenerFunc func; /* NULL once cancelled, or once it was too late */
        void *userdata;
};

/* Calls. */

static void call_unlink(OpenerCall *call) {
        OpenerCall **p = &call->link->calls;

        while (*p != call)
                p = &(*p)->next;
        *p = call->next;
}

static void call_answer(OpenerCall *call, int error, const OpenerReply *reply, int fd) {
        OpenerFunc func = call->func;
        void *userdata = call->userdata;

        free(call);
        if (func)
                func(error, reply, fd, userdata);
        else
                close_fd(fd);
}

/* Links. */

static OpenerLink *link_free(OpenerLink *link) {
        assert(!link->calls);
        sd_event_source_disable_unref(link->io);
        deadline_lift(&link->deadline);
        close_fd(link->fd);
        free(link);
        return NULL;
}
DEFINE_CLEANUP(OpenerLink *, link_free);

static void link_unlink(OpenerLink *link) {
        OpenerLink **p = &link->openers->links;

        while (*p != link)
                p = &(*p)->next;
        *p = link->next;
}

/* The opener went away or broke the protocol: all that it was asked has failed. */
static void link_fail(OpenerLink *link, int error) {
        OpenerCall *calls = TAKE_PTR(link->calls);

        link_unlink(link);
        link_free(link);

        while (calls) {
                OpenerCall *call = calls;

                calls = call->next;
                call_answer(call, error, NULL, -EBADF);
        }
}

static uint64_t openers_now(const Openers *openers) {
        uint64_t now;

        (void)sd_event_now(openers->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* By then it is looked at, if not before. */
static void link_wake_by(OpenerLink *link, uint64_t at) {
        if (at < link->deadline.end)
                (void)deadline_set(&link->deadline, at);
}

static void link_rest(OpenerLink *link) {
        if (link->calls)
                return;

        link->idle_at = openers_now(link->openers) + LINK_IDLE_USEC;
        link_wake_by(link, link->idle_at);
}

static OpenerCall *link_find_call(OpenerLink *link, uint32_t id) {
        OpenerCall *call = link->calls;

        while (call && call->id != id)
                call = call->next;
        return call;
}

/* One reply: 0, -EAGAIN if there is none, or what it was wrong with. */
static int link_receive(OpenerLink *link) {
        uint8_t buf[OPENER_MESSAGE_SIZE];
        _cleanup_close_ int fd = -EBADF;
        SocketAncillary ancillary;
        OpenerReply reply;
        OpenerCall *call;
        ssize_t n;

        n = socket_receive(link->fd, buf, sizeof(buf), 1, &ancillary);
        if (n < 0)
                return (int)n;
        if (ancillary.n_fds > 0)
                fd = ancillary.fds[0];
        if (n == 0)
                return -ECONNRESET;

        if (opener_reply_decode(buf, (size_t)n, &reply) < 0)
                return -EPROTO;
        if ((reply.status == OPENER_OK) != (fd >= 0))
                return -EPROTO;
        call = link_find_call(link, reply.id);
        if (!call)
                return -EPROTO;

        call_unlink(call);
        link_rest(link);

        /* Careful: the link may be gone after this. */
        call_answer(call, 0, &reply, TAKE_FD(fd));
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        OpenerLink *link = userdata;
        int r;

        /* One a turn: the answer can do anything with the link. */
        r = link_receive(link);
        if (r < 0 && r != -EAGAIN)
                link_fail(link, -r);

        return 0;
}

/* The first call that is waited for no longer; NULL if there is none. */
static OpenerCall *link_find_late(const OpenerLink *link, uint64_t now) {
        OpenerCall *call = link->calls;

        while (call && (!call->func || call->end > now))
                call = call->next;
        return call;
}

static void on_deadline(void *userdata) {
        OpenerLink *link = userdata;
        uint64_t now = openers_now(link->openers);
        OpenerCall *call = link_find_late(link, now);

        if (call) {
                OpenerFunc func = call->func;

                /* The number stays taken until the opener answers or goes. One a turn: careful, the
                 * link may be gone after this. */
                call->func = NULL;
                link_wake_by(link, now);
                func(ETIMEDOUT, NULL, -EBADF, call->userdata);
                return;
        }

        for (call = link->calls; call; call = call->next)
                if (call->func)
                        link_wake_by(link, call->end);
        if (link->calls)
                return;

        if (link->idle_at > now)
                link_wake_by(link, link->idle_at);
        else {
                link_unlink(link);
                link_free(link);
        }
}

static int link_connect(Openers *openers, const char *endpoint) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n;

        if (asprintf(&path, "%s/%s", openers->folder, endpoint) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        n = socket_address(path, &address);
        if (n < 0)
                return n;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int link_new(Openers *openers, const char *endpoint, OpenerLink **ret) {
        _cleanup_(link_freep) OpenerLink *link = calloc(1, sizeof(*link));
        int r;

        if (!link)
                return -ENOMEM;

        link->openers = openers;
        memcpy(link->endpoint, endpoint, strlen(endpoint) + 1);
        deadline_init(&link->deadline, &openers->clock, on_deadline, link);
        link->fd = link_connect(openers, endpoint);
        if (link->fd < 0)
                return link->fd;

        r = sd_event_add_io(openers->event, &link->io, link->fd, EPOLLIN, on_io, link);
        if (r >= 0)
                r = deadline_set_relative(&link->deadline, LINK_IDLE_USEC);
        if (r < 0)
                return r;

        link_rest(link);
        link->next = openers->links;
        openers->links = link;
        *ret = TAKE_PTR(link);
        return 0;
}

static int openers_get_link(Openers *openers, const char *endpoint, OpenerLink **ret) {
        for (OpenerLink *link = openers->links; link; link = link->next)
                if (!link->leaving && streq(link->endpoint, endpoint)) {
                        *ret = link;
                        return 0;
                }

        return link_new(openers, endpoint, ret);
}

static int call_send(OpenerCall *call, Openers *openers, const Name *name, const char *definition,
                     Access access, int client_fd) {
        OpenerRequest request = {.id = call->id, .access = access};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        ssize_t n = -EPIPE;
        size_t size;
        int r;

        memcpy(request.instance, name->instance, sizeof(request.instance));
        (void)copy_text(request.definition, sizeof(request.definition), definition);
        size = opener_request_encode(&request, buf);

        /* A connection that was kept can turn out to be to an opener that leaves, or has ended.
         * Nothing was asked then, and a new one starts the opener again. */
        for (unsigned i = 0; i < 2 && n == -EPIPE; i++) {
                r = openers_get_link(openers, name->endpoint, &call->link);
                if (r < 0)
                        return r;

                n = socket_send(call->link->fd, buf, size, client_fd);
                if (n == -EPIPE)
                        call->link->leaving = true;
        }

        return n < 0 ? (int)n : 0;
}

int openers_new(sd_event *event, const char *folder, Openers **ret) {
        _cleanup_(openers_freep) Openers *openers = calloc(1, sizeof(*openers));

        if (!openers)
                return -ENOMEM;
        openers->folder = strdup(folder);
        if (!openers->folder)
                return -ENOMEM;

        openers->event = sd_event_ref(event);
        deadline_clock_init(&openers->clock, event);
        *ret = TAKE_PTR(openers);
        return 0;
}

Openers *openers_free(Openers *openers) {
        if (!openers)
                return NULL;

        while (openers->links) {
                OpenerLink *link = openers->links;

                while (link->calls) {
                        OpenerCall *call = link->calls;

                        assert(!call->func);
                        link->calls = call->next;
                        free(call);
                }
                openers->links = link->next;
                link_free(link);
        }

        deadline_clock_deinit(&openers->clock);
        sd_event_unref(openers->event);
        free(openers->folder);
        free(openers);
        return NULL;
}

int openers_call(Openers *openers, const Name *name, const char *definition, Access access,
                 int client_fd, uint64_t usec, OpenerFunc func, void *userdata, OpenerCall **ret) {
        OpenerCall *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;

        call->id = ++openers->last_id;
        call->end = openers_now(openers) + usec;
        call->func = func;
        call->userdata = userdata;
        r = call_send(call, openers, name, definition, access, client_fd);
        if (r < 0) {
                free(call);
                return r;
        }

        call->next = call->link->calls;
        call->link->calls = call;
        link_wake_by(call->link, call->end);
        *ret = call;
        return 0;
}

OpenerCall *opener_call_cancel(OpenerCall *call) {
        if (call)
                call->func = NULL;

        return NULL;
}
