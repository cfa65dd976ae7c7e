/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/input.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>

#include "broker/broker.h"
#include "broker/job.h"
#include "broker/keep.h"
#include "broker/lease.h"
#include "broker/session.h"
#include "broker/store.h"

/* How long PID 1 may take to read what it was sent. */
#define BARRIER_USEC UINT64_C(1000000)

/* What has more descriptors than that takes the places of many. */
#define KEPT_FDS_MAX 32U

_Static_assert((int)LOGOUT_NEVER == (int)STATE_LOGOUT_NONE &&
                       (int)LOGOUT_OF_SESSION == (int)STATE_LOGOUT_SESSION &&
                       (int)LOGOUT_OF_USER == (int)STATE_LOGOUT_USER,
               "the numbers are those of the state");

/* Keeping. */

static bool copy_optional(char *buf, size_t size, const char *text) {
        return !text || copy_text(buf, size, text);
}

/* False if something of it is longer than what is kept. */
static bool state_of_lease(const Lease *lease, StateLease *ret) {
        const Session *session = lease->session;
        StateLease state = {
                .name = lease->name,
                .access = lease->access,
                .mode = lease->mode,
                .kind = lease->kind,
                .how = lease->how,
                .by_password = lease->by_password,
                .uid = lease->uid,
                .identity = lease->identity,
                .pid = session->peer.pid,
                .start_time = session->process->start_time,
                .since = lease->since,
                .expires = lease->expires,
                .ends_at = lease->ends_at,
                .logout = (StateLogout)lease->logout,
                .hold = lease->hold,
                .opened = lease->opened,
        };

        memcpy(state.id, lease->id, sizeof(state.id));
        memcpy(state.request, lease->request, sizeof(state.request));
        memcpy(state.definition, lease->definition, sizeof(state.definition));
        if (!copy_optional(state.action, sizeof(state.action), lease->action) ||
            !copy_optional(state.user_name, sizeof(state.user_name), lease->user_name) ||
            !copy_optional(state.unit, sizeof(state.unit), session->unit) ||
            !copy_optional(state.login_session, sizeof(state.login_session),
                           session->login_session))
                return false;

        *ret = state;
        return true;
}

void keep_lease(Lease *lease) {
        Store *store = lease->broker->store;
        _cleanup_free_ int *fds = calloc(lease->n_fds + 1, sizeof(*fds));
        StateLease state;
        StoreLease *kept;

        if (lease->mode != LEASE_MODE_REVOCABLE || lease->kept || !fds ||
            !state_of_lease(lease, &state))
                return;

        /* One user has no more than half of the places. */
        if (user_charge(lease->charge.user, USER_KEPT,
                        (lease->broker->settings->kept_leases_max + 1) / 2,
                        &lease->kept_charge) != 0)
                return;

        lease_get_fds(lease, fds);
        if (store_add(store, &state, lease->session->fd, fds, lease->n_fds, &kept) == 0)
                lease->kept = kept;
        else
                user_charge_deinit(&lease->kept_charge);
}

void keep_remove(Lease *lease) {
        lease->kept = store_remove(lease->broker->store, lease->kept);
        user_charge_deinit(&lease->kept_charge);
}

void keep_add_fd(Lease *lease, int fd) {
        Store *store = lease->broker->store;
        StateLease state;

        if (!lease->kept)
                return;
        if (lease->n_fds > KEPT_FDS_MAX || store_add_duplicate(store, lease->kept, fd) != 0 ||
            !state_of_lease(lease, &state) || store_update(store, lease->kept, &state) != 0)
                keep_remove(lease);
}

void keep_remove_fd(Lease *lease, int fd) {
        if (lease->kept)
                store_remove_duplicate(lease->broker->store, lease->kept, fd);
}

void keep_blocks(Broker *broker) {
        _cleanup_free_ StateBlock *blocks = calloc(broker->blocks.n + 1, sizeof(*blocks));
        unsigned n = 0;

        for (const Block *block = broker->blocks.first; blocks && block; block = block->next) {
                blocks[n] =
                        (StateBlock){.uid = block->uid, .until = block->until, .own = block->own};
                (void)copy_text(blocks[n].endpoint, sizeof(blocks[n].endpoint), block->endpoint);
                n++;
        }

        if (!blocks || store_set_blocks(broker->store, blocks, n) != 0)
                record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM,
                           "Who is kept out cannot be kept across a restart of the broker.");
}

/* Restoring. */

static void record_lost(Broker *broker, const StateLease *state, EndReason reason) {
        char endpoint[NAME_TEXT_SIZE];
        JournalEntry entry;
        const RecordFields fields = {
                .subject_uid = state->uid,
                .identity_uid = state->identity,
                .subject_pid = state->pid,
                .unit = state->unit,
                .session = state->login_session,
                .endpoint = name_to_string(&state->name, endpoint),
                .access = state->access,
                .mode = state->mode,
                .lease = state->id,
                .opened = state->opened,
                .reason = reason,
                .request = state->request,
        };

        record_format_end(&entry, &fields);
        record_put(broker->record, &entry);
}

/* What shutdown(2) does not cut: input devices. */
static void revoke_devices(const int *fds, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (fds[i] >= 0)
                        (void)ioctl(fds[i], EVIOCREVOKE, NULL);
}

/* 0 if it goes on, or why it has ended. */
static EndReason restore_lease(Broker *broker, StoreTaken *taken) {
        Session *session;
        Lease *lease;
        int r;

        if (!taken->kept)
                return END_RESTART;

        r = session_restore(broker, &taken->lease, &taken->fds[0], &session);
        if (r == PEER_E_GONE)
                return END_PEER;
        if (r != 0)
                return END_RESTART;

        r = lease_restore(session, &taken->lease, taken->fds + 1, taken->n_fds - 1, taken->kept,
                          &lease);
        if (r < 0) {
                /* The control connection is given back, to be cut with the rest. */
                taken->fds[0] = TAKE_FD(session->fd);
                session_free(session);
                return END_RESTART;
        }

        /* By now it is a lease as any other. */
        if (!lease_is_current(lease))
                lease_end(lease, END_DEFINITION);
        if (session->lease)
                observer_check_lease(broker->observer, session->lease);
        if (session->lease)
                logins_check(broker->logins, session->lease);
        return 0;
}

static void restore_blocks(Broker *broker, const StoreContent *content) {
        uint64_t now = broker_now_boottime(broker);

        for (unsigned i = 0; i < content->n_blocks; i++) {
                const StateBlock *block = &content->blocks[i];

                if (block->until > now &&
                    block_table_add(&broker->blocks, block->uid, block->endpoint, now, block->until,
                                    block->own,
                                    subuid_table_find_owner(&broker->subuids, block->uid)) != 0)
                        record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM,
                                   "User %u is not kept out any more.", (unsigned)block->uid);
        }
        keep_blocks(broker);
}

void keep_restore(Broker *broker, int *fds, char *const *names, unsigned n) {
        StoreContent content;
        int r;

        r = store_take(broker->store, fds, names, n, &content);
        if (r < 0) {
                record_log(broker->record, LOG_ERR, RECORD_ID_PROBLEM,
                           "What was kept across the restart could not be taken, and is cut: %s",
                           strerror(-r));
                return;
        }

        restore_blocks(broker, &content);
        for (unsigned i = 0; i < content.n_leases; i++) {
                EndReason reason = restore_lease(broker, &content.leases[i]);

                if (reason) {
                        record_lost(broker, &content.leases[i].lease, reason);
                        revoke_devices(content.leases[i].fds, content.leases[i].n_fds);
                }
        }

        if (content.error < 0 || content.n_orphans > 0)
                record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM,
                           "Of what was kept across the restart %u descriptors are of no lease "
                           "that is known, and are cut.",
                           content.n_orphans);
        revoke_devices(content.orphans, content.n_orphans);
        store_content_deinit(broker->store, &content);

        /* Before somebody is told of the same ends again. */
        (void)store_flush(broker->store);
        /* Policy can have changed meanwhile. */
        if (broker->n_leases > 0)
                recheck_all(broker->recheck);
}

/* The end. */

bool keep_is_restart(Broker *broker, bool *ret_has_all) {
        unsigned n_stored = 0;

        *ret_has_all = false;
        (void)store_flush(broker->store);
        if (!getenv("NOTIFY_SOCKET"))
                return false;

        (void)sd_notify_barrier(0, BARRIER_USEC);
        if (!job_is_restart(&n_stored))
                return false;
        *ret_has_all = n_stored >= store_count_sent(broker->store);
        if (*ret_has_all)
                return true;

        record_log(broker->record, LOG_ERR, RECORD_ID_PROBLEM,
                   "systemd has kept %u descriptors and not %u, so no lease outlives the restart.",
                   n_stored, store_count_sent(broker->store));
        return true;
}
