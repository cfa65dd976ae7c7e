/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "broker/broker.h"
#include "broker/lease.h"
#include "broker/session.h"

static int on_backend(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Lease *lease = userdata;

        lease_end(lease, END_BACKEND);
        return 0;
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata) {
        Lease *lease = userdata;

        lease_end(lease, END_EXPIRED);
        return 0;
}

static uint64_t realtime_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The time that passes while the machine sleeps counts. */
static int lease_set_expiry(Lease *lease, uint64_t usec) {
        int r;

        if (usec == 0)
                return 0;

        r = sd_event_add_time_relative(lease->broker->event, &lease->expiry, CLOCK_BOOTTIME, usec,
                                       0, on_expiry, lease);
        if (r >= 0)
                r = sd_event_source_set_enabled(lease->expiry, SD_EVENT_OFF);
        if (r < 0)
                return r;

        lease->expires = realtime_usec() + usec;
        return 0;
}

static int lease_hold(Lease *lease, int fd) {
        if (lease->mode != LEASE_MODE_REVOCABLE)
                return 0;

        lease->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return lease->fd < 0 ? -errno : 0;
}

int lease_new(Session *session, const Definition *definition, const Name *name, Access access,
              uid_t identity, UserCharge *charge, int fd, Lease **ret) {
        _cleanup_(lease_freep) Lease *lease = calloc(1, sizeof(*lease));
        sd_id128_t id;
        int r;

        if (!lease)
                return -ENOMEM;

        lease->broker = session->broker;
        lease->session = session;
        lease->fd = -EBADF;
        lease->name = *name;
        lease->access = access;
        lease->mode = definition->targets[access].mode;
        lease->uid = session->peer.uid;
        lease->identity = identity;
        lease->pid = session->peer.pid;
        memcpy(lease->request, session->request, sizeof(lease->request));
        memcpy(lease->definition, definition->hash, sizeof(lease->definition));

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = lease_hold(lease, fd);
        if (r >= 0)
                r = lease_set_expiry(lease, definition->targets[access].max_usec);
        if (r < 0)
                return r;

        (void)sd_id128_to_string(id, lease->id);
        lease->charge = user_charge_take(charge);
        broker_add_lease(lease->broker, lease);
        *ret = TAKE_PTR(lease);
        return 0;
}

int lease_begin(Lease *lease) {
        int r = 0;

        if (lease->fd >= 0)
                r = sd_event_add_io(lease->broker->event, &lease->backend, lease->fd, 0, on_backend,
                                    lease);
        if (r >= 0 && lease->expiry)
                r = sd_event_source_set_enabled(lease->expiry, SD_EVENT_ONESHOT);
        return r;
}

bool lease_is_handed_over(const Lease *lease) {
        return lease->session->lease == lease;
}

bool lease_is_current(const Lease *lease) {
        const Definition *definition = catalogue_find(lease->broker->catalogue, &lease->name);

        return definition && streq(definition->hash, lease->definition);
}

Lease *lease_free(Lease *lease) {
        if (!lease)
                return NULL;

        sd_event_source_disable_unref(lease->backend);
        sd_event_source_disable_unref(lease->expiry);
        close_fd(lease->fd);
        if (lease->charge.user)
                broker_remove_lease(lease->broker, lease);
        user_charge_deinit(&lease->charge);
        free(lease);
        return NULL;
}

static void lease_record_end(const Lease *lease, EndReason reason) {
        char endpoint[NAME_TEXT_SIZE];
        RecordFields fields;
        JournalEntry entry;

        session_get_record_fields(lease->session, &fields);
        fields.identity_uid = lease->identity;
        fields.endpoint = name_to_string(&lease->name, endpoint);
        fields.access = lease->access;
        fields.mode = lease->mode;
        fields.lease = lease->id;
        fields.reason = reason;
        fields.request = lease->request;
        record_format_end(&entry, &fields);
        record_put(lease->broker->record, &entry);
}

Lease *lease_end(Lease *lease, EndReason reason) {
        Session *session = lease->session;

        assert(lease_is_handed_over(lease));

        if (lease->fd >= 0)
                (void)shutdown(lease->fd, SHUT_RDWR);
        lease_record_end(lease, reason);
        session_end_lease(session, reason);
        return lease_free(lease);
}
