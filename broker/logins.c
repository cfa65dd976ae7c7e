/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-login.h>

#include "broker/broker.h"
#include "broker/cgroup.h"
#include "broker/lease.h"
#include "broker/logins.h"
#include "broker/session.h"
#include "policy/strv.h"

struct Logins {
        Broker *broker;
        sd_login_monitor *monitor;
        sd_event_source *changed;
};

/* What logind does not know has ended; what cannot be read has not. */
static bool session_has_ended(const char *id) {
        _cleanup_free_ char *state = NULL;
        int r = sd_session_get_state(id, &state);

        return r == -ENXIO || r == -ENOENT || (r >= 0 && streq(state, "closing"));
}

static bool user_has_left(uid_t uid) {
        _cleanup_(strv_freep) char **sessions = NULL;
        int r = sd_uid_get_sessions(uid, 0, &sessions);

        if (r < 0)
                return r == -ENXIO || r == -ENODATA || r == -ENOENT;
        for (char **id = sessions; id && *id; id++)
                if (!session_has_ended(*id))
                        return false;
        return true;
}

static bool lease_has_ended(const Lease *lease) {
        switch (lease->logout) {
        case LOGOUT_OF_SESSION:
                return session_has_ended(lease->session->login_session);
        case LOGOUT_OF_USER:
                return user_has_left(lease->logout_uid);
        case LOGOUT_NEVER:
                break;
        }

        return false;
}

/* Whether two leases end with the same. */
static bool is_like(const Lease *a, const Lease *b) {
        return a && a->logout == b->logout &&
               (a->logout == LOGOUT_OF_SESSION
                        ? streq(a->session->login_session, b->session->login_session)
                        : a->logout_uid == b->logout_uid);
}

/* Hundreds of leases are of a few sessions, most often one after the other. */
static int on_changed(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Logins *logins = userdata;
        Lease *lease = logins->broker->leases;
        const Lease *alive = NULL;

        (void)sd_login_monitor_flush(logins->monitor);

        while (lease) {
                Lease *next = lease->next;

                if (lease_is_handed_over(lease) && lease->logout != LOGOUT_NEVER &&
                    !is_like(alive, lease)) {
                        if (lease_has_ended(lease))
                                lease_end(lease, END_LOGOUT);
                        else
                                alive = lease;
                }
                lease = next;
        }

        return 0;
}

bool logins_watch(const Logins *logins, Lease *lease) {
        const Session *session = lease->session;

        if (!logins->monitor)
                return false;

        if (session->login_session)
                lease->logout = LOGOUT_OF_SESSION;
        else if (session->unit && cgroup_find_manager(session->unit, &lease->logout_uid) == 0)
                lease->logout = LOGOUT_OF_USER;
        return lease->logout != LOGOUT_NEVER;
}

void logins_check(const Logins *logins, Lease *lease) {
        if (lease_has_ended(lease))
                lease_end(lease, END_LOGOUT);
}

int logins_new(Broker *broker, Logins **ret) {
        _cleanup_(logins_freep) Logins *logins = calloc(1, sizeof(*logins));
        int fd, r;

        if (!logins)
                return -ENOMEM;

        logins->broker = broker;
        r = sd_login_monitor_new("session", &logins->monitor);
        if (r == -ENOENT) {
                *ret = TAKE_PTR(logins);
                return 0;
        }
        if (r < 0)
                return r;

        fd = sd_login_monitor_get_fd(logins->monitor);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(broker->event, &logins->changed, fd, EPOLLIN, on_changed, logins);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(logins);
        return 0;
}

Logins *logins_free(Logins *logins) {
        if (!logins)
                return NULL;

        sd_event_source_disable_unref(logins->changed);
        sd_login_monitor_unref(logins->monitor);
        free(logins);
        return NULL;
}
