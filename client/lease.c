/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "client/lease.h"
#include "client/log.h"
#include "client/opening.h"

/* The broker's words, the first ten, have the broker's numbers. */
static const char *const reason_words[] = {
        [DOORWARD_CLOSE_NONE] = "none",
        [DOORWARD_CLOSE_CLIENT] = "client",
        [DOORWARD_CLOSE_PEER] = "peer",
        [DOORWARD_CLOSE_BACKEND] = "backend",
        [DOORWARD_CLOSE_EXPIRED] = "expired",
        [DOORWARD_CLOSE_REVOKED] = "revoked",
        [DOORWARD_CLOSE_LOGOUT] = "logout",
        [DOORWARD_CLOSE_POLICY] = "policy",
        [DOORWARD_CLOSE_DEFINITION] = "definition",
        [DOORWARD_CLOSE_RESTART] = "restart",
        [DOORWARD_CLOSE_SHUTDOWN] = "shutdown",
        [DOORWARD_CLOSE_BROKER] = "broker",
        [DOORWARD_CLOSE_OTHER] = "other",
        [DOORWARD_CLOSE_TRANSPORT] = "transport",
};

static_assert((int)DOORWARD_CLOSE_CLIENT == (int)END_CLIENT, "the first");
static_assert((int)DOORWARD_CLOSE_SHUTDOWN == (int)END_SHUTDOWN, "the last");
static_assert((int)DOORWARD_CLOSE_BROKER == (int)_END_MAX, "what the broker has no word for");

DOORWARD_EXPORT const char *doorward_close_reason_to_string(int reason) {
        return reason >= 0 && (size_t)reason < ELEMENTSOF(reason_words) ? reason_words[reason]
                                                                        : "unknown";
}

static void lease_lock(Lease *lease) {
        (void)pthread_mutex_lock(&lease->lock);
}

static void lease_unlock(Lease *lease) {
        (void)pthread_mutex_unlock(&lease->lock);
}

/* The end. */

int lease_get_fd(const Lease *lease) {
        return lease->wire     ? wire_get_fd(lease->wire)
               : lease->remote ? lease->remote->control
                               : -EBADF;
}

/* A wire that failed is closed, and nobody hears of that from a copy of it. To hang up on what
 * leads to another machine would cut what is still on its way from there. */
static void lease_end(Lease *lease, int reason) {
        int fd = lease->event_fd >= 0 ? lease->event_fd : lease_get_fd(lease);

        lease->end = reason;
        log_info(LOG_CATEGORY_LEASE, "Lease %s has ended: %s", lease->id ?: "without a name",
                 doorward_close_reason_to_string(reason));
        if (fd >= 0)
                (void)shutdown(fd, lease->remote ? SHUT_RD : SHUT_RDWR);
}

static int reason_from_reply(const OpeningReply *read) {
        int reason = read->reason ? end_reason_from_wire(read->reason) : -EINVAL;

        return reason > 0 ? reason : DOORWARD_CLOSE_OTHER;
}

/* Reading takes memory, and to have none would end the lease: so it is not tried in vain. */
static bool lease_has_news(const Lease *lease) {
        struct pollfd p = {.fd = lease_get_fd(lease), .events = POLLIN};

        return (lease->wire && wire_has_input(lease->wire)) || poll(&p, 1, 0) > 0;
}

static int lease_receive(Lease *lease, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        OpeningReply read;
        int r;

        r = wire_next(lease->wire, 0, &reply, error);
        if (r == -EAGAIN)
                return 0;
        if (r > 0 && opening_reply_read(&reply, &read) == 0 && streq(read.state, "ended")) {
                lease_end(lease, reason_from_reply(&read));
                return 1;
        }

        if (r >= 0)
                r = wire_error_protocol(error,
                                        "The broker at %s said something else than that the lease "
                                        "has ended.",
                                        wire_get_path(lease->wire));
        lease_end(lease, DOORWARD_CLOSE_BROKER);
        return r;
}

/* What is said there for people is nobody's affair any more. */
static int lease_receive_remote(Lease *lease) {
        TransportMessage line;

        while (lease->remote->reason == 0 && remote_link_hear(lease->remote, &line) > 0)
                ;

        if (lease->remote->reason == 0 && lease->remote->ended)
                log_debug(LOG_CATEGORY_REMOTE, "What led to the other machine has ended: %s",
                          lease->remote->end.text[0] ? lease->remote->end.text : "nothing said");
        if (lease->remote->reason != 0)
                lease_end(lease, lease->remote->reason);
        else if (lease->remote->ended)
                lease_end(lease, DOORWARD_CLOSE_TRANSPORT);
        return lease->end != 0;
}

int lease_take_remote(Lease *lease, RemoteLink *link) {
        RemoteLink *remote = malloc(sizeof(*remote));

        if (!remote)
                return -ENOMEM;

        *remote = *link;
        *link = (RemoteLink)REMOTE_LINK_NULL;
        lease->remote = remote;
        /* It may be over already, and that may have been heard. */
        if (remote->reason != 0 || remote->ended)
                (void)lease_receive_remote(lease);
        return 0;
}

int lease_process(Lease *lease, doorward_error *error) {
        int r;

        if (!lease->wire && !lease->remote)
                return 0;

        lease_lock(lease);
        if (lease->end != 0)
                r = 1;
        else if (!lease_has_news(lease))
                r = 0;
        else
                r = lease->remote ? lease_receive_remote(lease) : lease_receive(lease, error);
        lease_unlock(lease);
        return r;
}

bool lease_is_to_be_processed(Lease *lease) {
        bool r;

        lease_lock(lease);
        r = lease->end == 0 || (lease->listener && !lease->listener->told);
        lease_unlock(lease);
        return r;
}

int lease_get_end(Lease *lease) {
        int end;

        lease_lock(lease);
        end = lease->end;
        lease_unlock(lease);
        return end;
}

int lease_fail_ended(Lease *lease, const char *endpoint, doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED,
                  "The lease on %s has ended: %s.", endpoint,
                  doorward_close_reason_to_string(lease_get_end(lease)));
        error_set_hint(error, "Open it again: that has a new lease, if policy still allows it.");
        return -ECONNABORTED;
}

/* The event descriptor. */

/* -ENOTCONN if there is nothing any more that it could be a copy of. */
static int lease_copy_fd(Lease *lease) {
        int fd;

        if (lease->event_fd >= 0)
                return lease->event_fd;
        if (lease_get_fd(lease) < 0)
                return -ENOTCONN;

        fd = fcntl(lease_get_fd(lease), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (fd < 0)
                return -errno;

        lease->event_fd = fd;
        return fd;
}

int lease_get_event_fd(Lease *lease, const char *endpoint, doorward_error *error) {
        int r;

        lease_lock(lease);
        r = lease_copy_fd(lease);
        lease_unlock(lease);

        if (r == -ENOTCONN)
                return lease_fail_ended(lease, endpoint, error);
        return r < 0 ? error_system(error, r, "No descriptor can be made to wait with") : r;
}

/* The listener. */

static LeaseListener *listener_new(doorward_close_cb cb, void *userdata,
                                   doorward_free_func free_func) {
        LeaseListener *listener = malloc(sizeof(*listener));

        if (listener)
                *listener = (LeaseListener){
                        .n_ref = 1,
                        .cb = cb,
                        .userdata = userdata,
                        .free_func = free_func,
                };
        return listener;
}

int lease_set_listener(Lease *lease, doorward_close_cb cb, void *userdata,
                       doorward_free_func free_func) {
        LeaseListener *listener = NULL, *earlier;

        if (cb) {
                listener = listener_new(cb, userdata, free_func);
                if (!listener)
                        return -ENOMEM;
        }

        lease_lock(lease);
        earlier = lease->listener;
        lease->listener = listener;
        lease_unlock(lease);

        lease_release_listener(lease, earlier);
        return 0;
}

LeaseListener *lease_take_listener(Lease *lease) {
        LeaseListener *listener = NULL;

        lease_lock(lease);
        if (lease->end != 0 && lease->listener && !lease->listener->told) {
                listener = lease->listener;
                listener->told = true;
                listener->n_ref++;
        }
        lease_unlock(lease);
        return listener;
}

void lease_release_listener(Lease *lease, LeaseListener *listener) {
        bool last;

        if (!listener)
                return;

        lease_lock(lease);
        last = --listener->n_ref == 0;
        lease_unlock(lease);
        if (!last)
                return;

        if (listener->free_func)
                listener->free_func(listener->userdata);
        free(listener);
}

void lease_deinit(Lease *lease, bool is_copy) {
        if (lease->remote)
                remote_link_deinit(lease->remote, is_copy);
        free(lease->remote);

        if (is_copy) {
                /* Its lock may be a thread's that is not here. */
                lease->wire = wire_free_copy(lease->wire);
                free(lease->listener);
        } else {
                if (lease->wire)
                        log_debug(LOG_CATEGORY_LEASE, "Lease %s is given back",
                                  lease->id ?: "without a name");
                lease->wire = wire_free(lease->wire);
                lease_release_listener(lease, TAKE_PTR(lease->listener));
                (void)pthread_mutex_destroy(&lease->lock);
        }

        lease->event_fd = close_fd(lease->event_fd);
        free(lease->id);
}
