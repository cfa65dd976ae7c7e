/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/input.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "broker/broker.h"
#include "broker/cgroup.h"
#include "broker/keep.h"
#include "broker/lease.h"
#include "broker/monitor.h"
#include "broker/session.h"
#include "broker/state-content.h"
#include "policy/instant.h"

struct LeaseFd {
        Lease *lease;
        LeaseFd *next, *previous; /* Lease::fds */
        int fd;
        LeaseHolding holding;
        sd_event_source *backend; /* it hangs up */
};

/* Duplicates. */

static bool is_socket(const Lease *lease) {
        return lease->kind == KIND_STREAM || lease->kind == KIND_SEQPACKET;
}

void lease_holding_deinit(LeaseHolding *holding) {
        user_charge_deinit(&holding->descriptor);
        user_charge_deinit(&holding->filter);
}

static LeaseFd *lease_fd_free(LeaseFd *held) {
        sd_event_source_disable_unref(held->backend);
        close_fd(held->fd);
        lease_holding_deinit(&held->holding);
        free(held);
        return NULL;
}

/* Whoever holds a copy, in whatever process, has nothing of it any more. */
static void lease_fd_cut(const LeaseFd *held) {
        if (is_socket(held->lease))
                (void)shutdown(held->fd, SHUT_RDWR);
        else
                (void)ioctl(held->fd, EVIOCREVOKE, NULL);
}

static void lease_drop_fd(Lease *lease, LeaseFd *held) {
        if (held->previous)
                held->previous->next = held->next;
        else
                lease->fds = held->next;
        if (held->next)
                held->next->previous = held->previous;
        lease->n_fds--;
        keep_remove_fd(lease, held->fd);
        lease_fd_free(held);
}

static int on_backend(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        LeaseFd *held = userdata;
        Lease *lease = held->lease;

        if (lease->n_fds == 1 && !lease->hold)
                lease_end(lease, END_BACKEND);
        else
                lease_drop_fd(lease, held);
        return 0;
}

static int lease_fd_watch(LeaseFd *held) {
        return sd_event_add_io(held->lease->broker->event, &held->backend, held->fd, 0, on_backend,
                               held);
}

static void lease_link_fd(Lease *lease, LeaseFd *held) {
        held->next = lease->fds;
        if (lease->fds)
                lease->fds->previous = held;
        lease->fds = held;
        lease->n_fds++;
}

static int lease_hold_consume_fd(Lease *lease, int fd, LeaseHolding *holding) {
        LeaseFd *held = calloc(1, sizeof(*held));
        int r = 0;

        if (!held) {
                close_fd(fd);
                return -ENOMEM;
        }

        held->lease = lease;
        held->fd = fd;
        if (lease_is_handed_over(lease))
                r = lease_fd_watch(held);
        if (r < 0) {
                lease_fd_free(held);
                return r;
        }

        held->holding.descriptor = user_charge_take(&holding->descriptor);
        held->holding.filter = user_charge_take(&holding->filter);
        lease_link_fd(lease, held);
        lease->opened++;
        keep_add_fd(lease, held->fd);
        return 0;
}

int lease_add_fd(Lease *lease, int fd, LeaseHolding *holding) {
        int duplicate;

        if (lease->mode == LEASE_MODE_TRACKED) {
                lease->opened++;
                lease->n_fds++;
                return 0;
        }

        duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return duplicate < 0 ? -errno : lease_hold_consume_fd(lease, duplicate, holding);
}

int lease_add_link_consume_fd(Lease *lease, int link_fd, LeaseHolding *holding) {
        return lease_hold_consume_fd(lease, link_fd, holding);
}

void lease_get_fds(const Lease *lease, int *ret) {
        for (const LeaseFd *held = lease->fds; held; held = held->next)
                *ret++ = held->fd;
}

/* Its time. */

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata) {
        Lease *lease = userdata;

        lease_end(lease, END_EXPIRED);
        return 0;
}

/* The time that passes while the machine sleeps counts. An accuracy of 0 would be one of 250 ms. */
static int lease_set_end(Lease *lease, uint64_t ends_at) {
        int r;

        r = sd_event_add_time(lease->broker->event, &lease->expiry, CLOCK_BOOTTIME, ends_at, 1,
                              on_expiry, lease);
        if (r >= 0)
                r = sd_event_source_set_enabled(lease->expiry, SD_EVENT_OFF);
        if (r >= 0)
                lease->ends_at = ends_at;
        return r;
}

static int lease_set_expiry(Lease *lease, uint64_t max_usec, uint64_t until) {
        uint64_t usec = max_usec;

        if (until > 0) {
                uint64_t left = until > lease->since ? until - lease->since : 1;

                usec = usec == 0 || left < usec ? left : usec;
        }
        if (usec == 0)
                return 0;

        lease->expires = lease->since + usec;
        return lease_set_end(lease, broker_now_boottime(lease->broker) + usec);
}

/* Coming and going. */

int lease_new(Session *session, const LeaseTerms *terms, UserCharge *charge, Lease **ret) {
        _cleanup_(lease_freep) Lease *lease = calloc(1, sizeof(*lease));
        const Target *target = &terms->definition->targets[terms->access];
        sd_id128_t id;
        int r;

        if (!lease)
                return -ENOMEM;

        lease->broker = session->broker;
        lease->session = session;
        lease->name = *terms->name;
        lease->access = terms->access;
        lease->mode = target->mode;
        lease->kind = target->kind;
        lease->filtered = target->filter;
        lease->uid = session->peer.uid;
        lease->identity = terms->identity;
        lease->how = terms->how;
        lease->by_password = terms->by_password;
        lease->hold = terms->hold;
        lease->since = instant_now();
        lease->generation = terms->generation;
        lease->until_logout = target->until_logout;
        memcpy(lease->request, session->request, sizeof(lease->request));
        memcpy(lease->definition, terms->definition->hash, sizeof(lease->definition));

        r = copy_string(terms->user_name, &lease->user_name);
        if (r >= 0)
                r = copy_string(terms->action, &lease->action);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = lease_set_expiry(lease, target->max_usec, terms->until);
        if (r < 0)
                return r;

        (void)sd_id128_to_string(id, lease->id);
        if (target->until_logout)
                (void)logins_watch(lease->broker->logins, lease);
        lease->charge = user_charge_take(charge);
        broker_add_lease(lease->broker, lease);
        *ret = TAKE_PTR(lease);
        return 0;
}

/* By its definition; one that was changed meanwhile ends at once. */
static bool lease_is_filtered(const Lease *lease) {
        const Definition *definition = catalogue_find(lease->broker->catalogue, &lease->name);

        return definition && definition->targets[lease->access].filter;
}

static void lease_copy_state(Lease *lease, const StateLease *from) {
        lease->name = from->name;
        lease->access = from->access;
        lease->mode = from->mode;
        lease->kind = from->kind;
        lease->uid = from->uid;
        lease->identity = from->identity;
        lease->how = from->how;
        lease->by_password = from->by_password;
        lease->hold = from->hold;
        lease->since = from->since;
        lease->expires = from->expires;
        lease->opened = from->opened;
        lease->logout = (LeaseLogout)from->logout;
        memcpy(lease->id, from->id, sizeof(lease->id));
        memcpy(lease->request, from->request, sizeof(lease->request));
        memcpy(lease->definition, from->definition, sizeof(lease->definition));
}

/* What was allowed is not refused now: the limits of before may have been others. */
static int lease_restore_charge(Lease *lease) {
        _cleanup_(user_unrefp) User *user = NULL;
        int r;

        r = broker_ref_user(lease->broker, lease->identity, &user);
        return r < 0 ? r : user_charge(user, USER_LEASES, UINT_MAX, &lease->charge);
}

/* The descriptors are not the lease's yet. */
static int lease_restore_fds(Lease *lease, const int *fds, unsigned n_fds) {
        for (unsigned i = 0; i < n_fds; i++) {
                LeaseFd *held = calloc(1, sizeof(*held));

                if (!held)
                        return -ENOMEM;
                held->lease = lease;
                held->fd = fds[i];
                lease_link_fd(lease, held);
                (void)!user_charge(lease->charge.user, USER_DESCRIPTORS, UINT_MAX,
                                   &held->holding.descriptor);
                if (lease->filtered)
                        (void)!user_charge(lease->charge.user, USER_FILTERS, UINT_MAX,
                                           &held->holding.filter);
        }

        return 0;
}

static void lease_forget_fds(Lease *lease) {
        for (LeaseFd *held = lease->fds; held; held = held->next) {
                held->backend = sd_event_source_disable_unref(held->backend);
                held->fd = -EBADF;
        }
}

int lease_restore(Session *session, const StateLease *from, int *fds, unsigned n_fds,
                  StoreLease *kept, Lease **ret) {
        _cleanup_(lease_freep) Lease *lease = calloc(1, sizeof(*lease));
        int r;

        if (!lease)
                return -ENOMEM;

        lease->broker = session->broker;
        lease->session = session;
        lease_copy_state(lease, from);
        lease->filtered = lease_is_filtered(lease);

        r = lease_restore_charge(lease);
        if (r < 0)
                return r;
        broker_add_lease(lease->broker, lease);

        r = copy_string(from->user_name[0] ? from->user_name : NULL, &lease->user_name);
        if (r >= 0)
                r = copy_string(from->action, &lease->action);
        if (r >= 0 && lease->logout == LOGOUT_OF_USER)
                r = cgroup_find_manager(from->unit, &lease->logout_uid);
        if (r >= 0 && from->ends_at > 0)
                r = lease_set_end(lease, from->ends_at);
        if (r >= 0)
                r = lease_restore_fds(lease, fds, n_fds);
        if (r >= 0)
                r = lease_begin(lease);
        if (r < 0) {
                lease_forget_fds(lease);
                return r;
        }

        for (unsigned i = 0; i < n_fds; i++)
                (void)TAKE_FD(fds[i]);
        lease->kept = kept;
        (void)!user_charge(lease->charge.user, USER_KEPT, UINT_MAX, &lease->kept_charge);
        session->lease = lease;
        *ret = TAKE_PTR(lease);
        return 0;
}

Lease *lease_leave(Lease *lease) {
        lease->kept = NULL; /* it stays in the store */
        lease->session->lease = NULL;
        return lease_free(lease);
}

int lease_begin(Lease *lease) {
        int r = 0;

        for (LeaseFd *held = lease->fds; held && r >= 0; held = held->next)
                r = lease_fd_watch(held);
        if (r >= 0 && lease->expiry)
                r = sd_event_source_set_enabled(lease->expiry, SD_EVENT_ONESHOT);
        return r;
}

bool lease_is_handed_over(const Lease *lease) {
        return lease->session->lease == lease;
}

static const Definition *lease_definition(const Lease *lease) {
        const Definition *definition = catalogue_find(lease->broker->catalogue, &lease->name);

        return definition && streq(definition->hash, lease->definition) ? definition : NULL;
}

bool lease_is_current(const Lease *lease) {
        return lease_definition(lease);
}

const char *lease_connect_as(const Lease *lease) {
        const Definition *definition = lease_definition(lease);

        return definition ? definition_connect_as(definition) : NULL;
}

bool lease_is_irrevocable(const Lease *lease) {
        return lease->mode == LEASE_MODE_TRACKED && lease->n_fds > 0;
}

Lease *lease_free(Lease *lease) {
        if (!lease)
                return NULL;

        sd_event_source_disable_unref(lease->expiry);
        keep_remove(lease);
        while (lease->fds)
                lease_drop_fd(lease, lease->fds);
        if (lease->charge.user)
                broker_remove_lease(lease->broker, lease);
        user_charge_deinit(&lease->charge);
        free(lease->user_name);
        free(lease->action);
        free(lease);
        return NULL;
}

bool lease_is_blocked(const Lease *lease) {
        uint64_t now = broker_now_boottime(lease->broker);
        const BlockTable *blocks = &lease->broker->blocks;
        char name[NAME_TEXT_SIZE];

        (void)name_to_string(&lease->name, name);
        return block_table_find(blocks, lease->uid, name, now) ||
               block_table_find(blocks, lease->identity, name, now);
}

bool lease_is_of(const Lease *lease, uid_t uid) {
        return lease->uid == uid || lease->identity == uid;
}

/* by is whoever revoked it. */
static void lease_record_end(const Lease *lease, EndReason reason, const uid_t *by) {
        char endpoint[NAME_TEXT_SIZE];
        RecordFields fields;
        JournalEntry entry;

        session_get_record_fields(lease->session, &fields);
        fields.identity_uid = lease->identity;
        fields.endpoint = name_to_string(&lease->name, endpoint);
        fields.access = lease->access;
        fields.mode = lease->mode;
        fields.lease = lease->id;
        fields.opened = lease->opened;
        fields.irrevocable =
                lease_is_irrevocable(lease) && reason != END_CLIENT && reason != END_PEER;
        fields.reason = reason;
        fields.ended_by = by;
        fields.request = lease->request;
        record_format_end(&entry, &fields);
        record_put(lease->broker->record, &entry);

        fields.connect_as = lease_connect_as(lease);
        monitor_tell(lease->broker, "ended", end_reason_to_wire(reason), &fields);
}

static Lease *lease_end_by(Lease *lease, EndReason reason, const uid_t *by) {
        Session *session = lease->session;

        assert(lease_is_handed_over(lease));

        /* Whoever sees it cut can know why. */
        lease_record_end(lease, reason, by);
        session_end_lease(session, reason);
        for (const LeaseFd *held = lease->fds; held; held = held->next)
                lease_fd_cut(held);
        return lease_free(lease);
}

Lease *lease_end(Lease *lease, EndReason reason) {
        return lease_end_by(lease, reason, NULL);
}

Lease *lease_revoke(Lease *lease, uid_t by) {
        return lease_end_by(lease, END_REVOKED, &by);
}
