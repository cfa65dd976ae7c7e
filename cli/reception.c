/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/joint.h"
#include "cli/reception.h"
#include "cli/report.h"
#include "client/channel.h"

/* How long nobody is asked after a refusal, and nothing is said after something was. */
#define REFUSED_MS 10000
#define SILENT_MS 60000
/* Until it is tried again where there was no descriptor, or no memory, to be had. */
#define SHORTAGE_MS 250
/* How many are let in, or hung up on, before others have their turn. */
#define ACCEPTS_MAX 64

typedef struct Guest Guest;

struct Guest {
        Reception *reception;
        Guest *previous, *next;
        Guest *next_busy;
        bool busy; /* something was heard of either side, or is left to be moved */
        Joint joint;
        Source sources[2];
};

struct Reception {
        ReceptionSpec spec;
        int listener;
        Source listener_source;
        Holder holder;
        Source holder_source;
        bool knocked; /* somebody may be waiting outside, */
        bool called;  /* and the holder may have something to do */
        int client;   /* whose descriptor the holder is to come by; -EBADF: nobody's */
        Guest *first;
        Guest *busy;       /* a queue */
        Guest **busy_tail; /* its end */
        PipeStore pipes;
        int64_t resume_at;   /* nobody is let in before that, */
        int64_t move_at;     /* and nothing moved; 0: nothing is short */
        int64_t refuse_till; /* nobody is asked */
        int64_t silent_till;
        bool revoked; /* the last lease, and none was granted since */
};

static bool is_due(int64_t at) {
        return channel_deadline_left(at) == 0;
}

static bool has_happened(int fd, short event) {
        struct pollfd p = {.fd = fd, .events = event};

        return poll(&p, 1, 0) > 0 && p.revents & event;
}

/* Guests. */

static void guest_add_busy(Guest *guest) {
        Reception *reception = guest->reception;

        if (guest->busy)
                return;

        guest->busy = true;
        guest->next_busy = NULL;
        *reception->busy_tail = guest;
        reception->busy_tail = &guest->next_busy;
}

static Guest *guest_take_busy(Reception *reception) {
        Guest *guest = reception->busy;

        if (!guest)
                return NULL;

        reception->busy = guest->next_busy;
        if (!reception->busy)
                reception->busy_tail = &reception->busy;
        guest->busy = false;
        return guest;
}

/* Not one of the busy ones: those are freed from their queue. */
static void guest_free(Guest *guest) {
        Reception *reception = guest->reception;

        for (size_t i = 0; i < 2; i++)
                source_remove(&guest->sources[i]);
        joint_deinit(&guest->joint);

        if (guest->previous)
                guest->previous->next = guest->next;
        else
                reception->first = guest->next;
        if (guest->next)
                guest->next->previous = guest->previous;
        free(guest);

        /* There is room again. */
        reception->resume_at = reception->move_at = 0;
}

static void on_guest(Source *source, uint32_t events) {
        Guest *guest = source->userdata;

        joint_hear(&guest->joint, source == &guest->sources[1], events);
        guest_add_busy(guest);
}

static int guest_new_consume_fds(Reception *reception, int client, int endpoint) {
        Guest *guest = calloc(1, sizeof(*guest));
        int r;

        if (!guest) {
                close_fd(client);
                (void)shutdown(endpoint, SHUT_RDWR);
                close_fd(endpoint);
                return -ENOMEM;
        }

        r = joint_init_consume_fds(&guest->joint, client, endpoint);
        if (r < 0) {
                free(guest);
                return r;
        }

        guest->reception = reception;
        guest->next = reception->first;
        if (guest->next)
                guest->next->previous = guest;
        reception->first = guest;

        for (size_t i = 0; r == 0 && i < 2; i++)
                r = loop_add(reception->spec.loop, &guest->sources[i], guest->joint.fds[i],
                             joint_events(&guest->joint, i), on_guest, guest);
        if (r < 0)
                guest_free(guest);
        else
                guest_add_busy(guest);
        return r;
}

static void guest_process(Guest *guest) {
        Reception *reception = guest->reception;
        int r;

        r = joint_process(&guest->joint, &reception->pipes);
        for (size_t i = 0; r != _JOINT_E_OVER && i < 2; i++)
                if (source_change(&guest->sources[i], joint_events(&guest->joint, i)) < 0)
                        r = _JOINT_E_OVER;

        if (r == _JOINT_E_OVER) {
                guest_free(guest);
                return;
        }
        if (r == JOINT_E_SHORT)
                reception->move_at = channel_deadline(SHORTAGE_MS);
        if (r != JOINT_E_WAIT)
                guest_add_busy(guest);
}

/* Each of those that are busy now, once. */
static void guests_process(Reception *reception) {
        Guest *last = NULL, *guest;

        if (!reception->busy || (reception->move_at > 0 && !is_due(reception->move_at)))
                return;

        reception->move_at = 0;
        for (guest = reception->busy; guest; guest = guest->next_busy)
                last = guest;
        while ((guest = guest_take_busy(reception))) {
                bool is_last = guest == last;

                guest_process(guest);
                /* Careful: the guest may be gone. */
                if (is_last)
                        break;
        }
}

static void guests_hang_up(Reception *reception) {
        while (guest_take_busy(reception))
                ;
        while (reception->first)
                guest_free(reception->first);
}

/* The lease. */

/* What can be cut is cut here, too, where the service's own read-only socket could not be. Where
 * nobody took anything back (the broker is restarted, say), what goes on may go on. */
static bool end_takes_back(int reason) {
        switch (reason) {
        case DOORWARD_CLOSE_EXPIRED:
        case DOORWARD_CLOSE_REVOKED:
        case DOORWARD_CLOSE_LOGOUT:
        case DOORWARD_CLOSE_POLICY:
        case DOORWARD_CLOSE_DEFINITION:
                return true;
        default:
                return false;
        }
}

static void reception_notice_end(Reception *reception) {
        int reason = holder_take_end(&reception->holder);
        const char *text;

        if (reason == 0)
                return;

        text = reason < _END_MAX ? grant_end_text(reason)
                                 : "has no keeper any more: the broker is gone";
        if (text)
                report_note(reception->spec.options, "The lease on %s %s.",
                            reception->spec.argument->uri.endpoint, text);
        reception->revoked = reason == DOORWARD_CLOSE_REVOKED;
        if (end_takes_back(reason))
                guests_hang_up(reception);
}

static int reception_refuse(Reception *reception, doorward_error *error) {
        bool held = reception->holder.conn;

        if (error->code == DOORWARD_ERR_AUTH_UNAVAILABLE &&
            reception->spec.auth == &grant_auth_desktop)
                error_set_hint(error, "There is no terminal here, and no desktop's agent that "
                                      "could ask; 'doorward run' asks on a terminal, and a rule "
                                      "can say yes without a password.");

        reception->client = close_fd(reception->client);
        if (!held)
                reception->refuse_till = channel_deadline(REFUSED_MS);

        if (reception->revoked && reception->spec.ends_when_kept_out &&
            error->code == DOORWARD_ERR_DENIED)
                return report_error(reception->spec.options, error);

        if (is_due(reception->silent_till)) {
                (void)report_error(reception->spec.options, error);
                reception->silent_till = channel_deadline(SILENT_MS);
        }
        return -1;
}

/* For the client who waits. */
static int reception_serve(Reception *reception) {
        _cleanup_error_ doorward_error error = {};
        int r, fd = -EBADF, status = -1;

        r = holder_process(&reception->holder, &fd, &error);
        reception_notice_end(reception);
        if (r == HOLDER_E_WAIT)
                return -1;

        if (r == 0) {
                reception->revoked = false;
                r = guest_new_consume_fds(reception, TAKE_FD(reception->client), fd);
                if (r < 0)
                        (void)error_system(&error, r, "A connection cannot be kept");
        }
        if (r < 0)
                status = reception_refuse(reception, &error);

        /* Somebody may have come meanwhile. */
        reception->knocked = true;
        return status;
}

/* The door. */

static bool is_own_user(int fd) {
        struct ucred credentials;
        socklen_t n = sizeof(credentials);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) == 0 &&
               n == sizeof(credentials) && credentials.uid == geteuid();
}

/* Without a word: somebody who looked whether anybody listens, say. Nothing is opened for them. */
static bool has_left(int fd) {
        char byte;

        return has_happened(fd, POLLHUP) && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* 1 if somebody was there, 0 if not; -errno: nobody can be let in now. */
static int reception_accept(Reception *reception) {
        _cleanup_close_ int fd = -EBADF;

        fd = accept4(reception->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                return errno == EAGAIN         ? 0
                       : errno == EINTR        ? 1
                       : errno == ECONNABORTED ? 1
                                               : -errno;

        if (!is_own_user(fd) || !is_due(reception->refuse_till) || has_left(fd))
                return 1;

        reception->client = TAKE_FD(fd);
        holder_want(&reception->holder);
        reception->called = true;
        return 1;
}

static void reception_let_in(Reception *reception) {
        int r = 1;

        for (int i = 0; r > 0 && reception->client < 0 && i < ACCEPTS_MAX; i++)
                r = reception_accept(reception);

        if (r <= 0)
                reception->knocked = false;
        if (r < 0)
                reception->resume_at = channel_deadline(SHORTAGE_MS);
}

/* Whether to listen at all: whoever cannot be let in is not to be told of again and again. */
static bool reception_is_open(const Reception *reception) {
        return reception->client < 0 && is_due(reception->resume_at);
}

static int reception_wait(Reception *reception) {
        uint32_t events = reception_is_open(reception) ? EPOLLIN : 0;
        int r;

        r = holder_arm(&reception->holder);
        if (r == 0)
                r = source_change(&reception->listener_source, events);
        return r < 0 ? report_errno(reception->spec.options, r, "Cannot wait") : -1;
}

int reception_process(Reception *reception) {
        int status = -1;

        guests_process(reception);

        do {
                if (reception->called || is_due(holder_get_deadline(&reception->holder))) {
                        reception->called = false;
                        status = reception_serve(reception);
                }
                if (status < 0 && reception->knocked && reception_is_open(reception))
                        reception_let_in(reception);
        } while (status < 0 && reception->called);

        return status < 0 ? reception_wait(reception) : status;
}

int64_t reception_get_deadline(const Reception *reception) {
        int64_t deadline = holder_get_deadline(&reception->holder);

        if (reception->busy && reception->move_at < deadline)
                deadline = reception->move_at;
        if (reception->knocked && reception_is_open(reception))
                deadline = 0;
        if (reception->client < 0 && !is_due(reception->resume_at) &&
            reception->resume_at < deadline)
                deadline = reception->resume_at;
        return deadline;
}

bool reception_is_idle(const Reception *reception) {
        return !reception->first && reception->client < 0 && !reception->holder.conn;
}

bool reception_is_settled(const Reception *reception) {
        if (reception->client >= 0 || has_happened(reception->listener, POLLIN))
                return false;

        for (const Guest *guest = reception->first; guest; guest = guest->next)
                if (has_happened(guest->joint.fds[0], POLLHUP))
                        return false;

        return true;
}

static void on_listener(Source *source, uint32_t events _unused_) {
        Reception *reception = source->userdata;

        reception->knocked = true;
}

static void on_holder(Source *source, uint32_t events _unused_) {
        Reception *reception = source->userdata;

        reception->called = true;
}

/* The times are points on a clock that began before this: 0 has passed. */
int reception_new_consume(const ReceptionSpec *spec, int listener, doorward_conn *conn,
                          Reception **ret) {
        Reception *reception = calloc(1, sizeof(*reception));
        int flags, r;

        if (!reception) {
                close_fd(listener);
                if (conn)
                        (void)conn_unref(conn);
                return -ENOMEM;
        }

        reception->spec = *spec;
        reception->listener = listener;
        reception->client = -EBADF;
        reception->busy_tail = &reception->busy;
        r = holder_init_consume_conn(&reception->holder, spec->argument, spec->auth, conn);
        if (r == 0) {
                flags = fcntl(listener, F_GETFL);
                if (flags < 0 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) < 0 ||
                    fcntl(listener, F_SETFD, FD_CLOEXEC) < 0)
                        r = -errno;
        }
        if (r == 0)
                r = loop_add(spec->loop, &reception->listener_source, listener, EPOLLIN,
                             on_listener, reception);
        if (r == 0)
                r = loop_add(spec->loop, &reception->holder_source, reception->holder.event_fd,
                             EPOLLIN, on_holder, reception);
        if (r == 0)
                r = holder_arm(&reception->holder);
        if (r < 0) {
                (void)reception_free(reception);
                return r;
        }

        *ret = reception;
        return 0;
}

Reception *reception_free(Reception *reception) {
        if (!reception)
                return NULL;

        guests_hang_up(reception);
        source_remove(&reception->listener_source);
        source_remove(&reception->holder_source);
        holder_deinit(&reception->holder);
        pipe_store_deinit(&reception->pipes);
        close_fd(reception->client);
        close_fd(reception->listener);
        free(reception);
        return NULL;
}
