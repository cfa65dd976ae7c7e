/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "broker/store-internal.h"

#define STORE_GATHER_USEC (100 * UINT64_C(1000))
/* Messages at once, and the pause between: sending waits for PID 1 where its queue is full, and PID
 * 1 has others to serve. */
#define STORE_MESSAGES 64U
#define STORE_PAUSE_USEC (20 * UINT64_C(1000))
/* Where it did not succeed. */
#define STORE_RETRY_USEC (2000 * UINT64_C(1000))

static int notify_systemd(const char *message, int fd, void *userdata) {
        return fd < 0 ? sd_notify(0, message) : sd_pid_notify_with_fds(0, 0, message, &fd, 1);
}

static int send_message(Store *store, const char *command, const char *name, int fd) {
        char message[64];
        int r;

        if (store->budget == 0)
                return -EAGAIN;
        store->budget--;

        (void)snprintf(message, sizeof(message), "%s\nFDNAME=%s", command, name);
        r = store->notify(message, fd, store->userdata);
        if (r == 0)
                return -ENOTCONN;
        return r < 0 ? r : 0;
}

static int send_fd(Store *store, const char *name, int fd) {
        return send_message(store, "FDSTORE=1\nFDPOLL=0", name, fd);
}

static int send_removal(Store *store, const char *name) {
        return send_message(store, "FDSTOREREMOVE=1", name, -EBADF);
}

#define STORE_NAME_SIZE (1 + STORE_DIGITS + 1)

static const char *name_format(StoreName name, char buf[STORE_NAME_SIZE]) {
        (void)snprintf(buf, STORE_NAME_SIZE, "%c%07x", name.kind, name.number & STATE_NUMBER_MAX);
        return buf;
}

StoreName store_entry_name(const StateEntry *entry, unsigned i) {
        return (StoreName){.kind = i == 0 ? STORE_CONTROL : STORE_DUPLICATE,
                           .number = entry->fds[i].number};
}

static bool store_is_dirty(const Store *store) {
        return store->changed || store->n_new > 0;
}

/* What waits already is not put off. What fails leaves it to store_flush(). */
void store_touch(Store *store) {
        if (!store_is_dirty(store))
                deadline_lift(&store->deadline);
        else if (!deadline_is_set(&store->deadline))
                (void)deadline_set_relative(&store->deadline, STORE_GATHER_USEC);
}

static int store_go(Store *store, unsigned budget);

static void on_deadline(void *userdata) {
        (void)store_go(userdata, STORE_MESSAGES);
}

int store_new(sd_event *event, unsigned max_leases, StoreNotify notify, void *userdata,
              Store **ret) {
        Store *store = calloc(1, sizeof(*store));

        if (!store)
                return -ENOMEM;

        *store =
                (Store){.notify = notify ?: notify_systemd,
                        .userdata = userdata,
                        .state = STATE_NULL,
                        .max_leases = max_leases < STATE_LEASES_MAX ? max_leases : STATE_LEASES_MAX,
                        .max_blocks = STATE_BLOCKS_MAX};
        /* systemd has not started this, and nobody would keep anything. */
        if (!notify && !getenv("NOTIFY_SOCKET"))
                store->max_leases = store->max_blocks = 0;

        deadline_clock_init(&store->clock, event);
        deadline_init(&store->deadline, &store->clock, on_deadline, store);
        *ret = store;
        return 0;
}

static StoreLease *kept_free(StoreLease *kept) {
        state_entry_free(kept->entry);
        free(kept);
        return NULL;
}

Store *store_free(Store *store) {
        if (!store)
                return NULL;

        while (store->leases) {
                StoreLease *kept = store->leases;

                store->leases = kept->next;
                kept_free(kept);
        }

        deadline_lift(&store->deadline);
        deadline_clock_deinit(&store->clock);
        state_deinit(&store->state);
        free(store->blocks);
        free(store->removed);
        free(store);
        return NULL;
}

int store_reserve(Store *store, unsigned n) {
        unsigned needed = store->n_removed + store->n_fds + n;
        StoreName *removed;

        if (needed <= store->n_allocated)
                return 0;

        needed += needed / 2;
        removed = reallocarray(store->removed, needed, sizeof(*removed));
        if (!removed)
                return -ENOMEM;

        store->removed = removed;
        store->n_allocated = needed;
        return 0;
}

void store_forget(Store *store, StoreName name) {
        store->removed[store->n_removed++] = name;
        store->changed = true;
}

static bool store_has_number(const Store *store, uint32_t number) {
        for (unsigned i = 0; i < store->n_removed; i++)
                if (store->removed[i].number == number)
                        return true;

        for (const StoreLease *kept = store->leases; kept; kept = kept->next)
                for (unsigned i = 0; i < kept->entry->n_fds; i++)
                        if (kept->entry->fds[i].number == number)
                                return true;

        return false;
}

/* One that PID 1 has no descriptor of: of what it has, the state that is written next must not say
 * that it is another. */
static uint32_t store_next_number(Store *store) {
        do
                store->number = store->number < STATE_NUMBER_MAX ? store->number + 1 : 1;
        while (store_has_number(store, store->number));

        return store->number;
}

void store_link(Store *store, StoreLease *kept) {
        kept->next = store->leases;
        if (kept->next)
                kept->next->previous = kept;
        store->leases = kept;
        store->n_leases++;
        store->n_fds += kept->entry->n_fds;
}

static void store_unlink(Store *store, StoreLease *kept) {
        if (kept->previous)
                kept->previous->next = kept->next;
        else
                store->leases = kept->next;
        if (kept->next)
                kept->next->previous = kept->previous;
        store->n_leases--;
        store->n_fds -= kept->entry->n_fds;
}

bool store_has_room(const Store *store, unsigned n_leases, unsigned n_fds) {
        return store->n_leases + n_leases <= store->max_leases &&
               n_fds <= STORE_FDS_PER_LEASE * store->max_leases - store->n_fds;
}

static int kept_new(const StateLease *lease, unsigned n_fds, StoreLease **ret) {
        StoreLease *kept = calloc(1, sizeof(*kept));
        StateEntry *entry = calloc(1, sizeof(*entry));
        StateFd *fds = calloc(n_fds, sizeof(*fds));

        if (!kept || !entry || !fds) {
                free(fds);
                free(entry);
                free(kept);
                return -ENOMEM;
        }

        *entry = (StateEntry){.lease = *lease, .fds = fds, .n_fds = n_fds};
        kept->entry = entry;
        *ret = kept;
        return 0;
}

int store_add(Store *store, const StateLease *lease, int control_fd, const int *duplicates,
              unsigned n_duplicates, StoreLease **ret) {
        StoreLease *kept;
        int r;

        if (!state_lease_is_valid(lease))
                return -EINVAL;
        if (n_duplicates >= STATE_FDS_MAX || !store_has_room(store, 1, 1 + n_duplicates))
                return STORE_E_FULL;

        r = store_reserve(store, 1 + n_duplicates);
        if (r >= 0)
                r = kept_new(lease, 1 + n_duplicates, &kept);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < kept->entry->n_fds; i++)
                kept->entry->fds[i] = (StateFd){.number = store_next_number(store),
                                                .fd = i == 0 ? control_fd : duplicates[i - 1]};

        store_link(store, kept);
        store->n_new++;
        store_touch(store);
        *ret = kept;
        return 0;
}

static void store_change(Store *store, const StoreLease *kept) {
        if (kept->written)
                store->changed = true;
        store_touch(store);
}

int store_update(Store *store, StoreLease *kept, const StateLease *lease) {
        if (!state_lease_is_valid(lease))
                return -EINVAL;

        kept->entry->lease = *lease;
        store_change(store, kept);
        return 0;
}

int store_add_duplicate(Store *store, StoreLease *kept, int fd) {
        StateEntry *entry = kept->entry;
        StateFd *fds;
        int r;

        if (!store_has_room(store, 0, 1))
                return STORE_E_FULL;

        r = store_reserve(store, 1);
        if (r < 0)
                return r;

        fds = reallocarray(entry->fds, entry->n_fds + 1, sizeof(*fds));
        if (!fds)
                return -ENOMEM;

        entry->fds = fds;
        fds[entry->n_fds] = (StateFd){.number = store_next_number(store), .fd = fd};
        entry->n_fds++;
        store->n_fds++;
        store_change(store, kept);
        return 0;
}

/* PID 1 is to give it up, if it has it. */
static void store_withdraw(Store *store, const StateEntry *entry, unsigned i) {
        if (!entry->fds[i].sent)
                return;

        store_forget(store, store_entry_name(entry, i));
        store->n_sent--;
}

void store_remove_duplicate(Store *store, StoreLease *kept, int fd) {
        StateEntry *entry = kept->entry;

        for (unsigned i = 1; i < entry->n_fds; i++) {
                if (entry->fds[i].fd != fd)
                        continue;

                store_withdraw(store, entry, i);
                entry->n_fds--;
                memmove(&entry->fds[i], &entry->fds[i + 1],
                        (entry->n_fds - i) * sizeof(*entry->fds));
                store->n_fds--;
                store_change(store, kept);
                return;
        }
}

StoreLease *store_remove(Store *store, StoreLease *kept) {
        if (!kept)
                return NULL;

        store_unlink(store, kept);
        for (unsigned i = 0; i < kept->entry->n_fds; i++)
                store_withdraw(store, kept->entry, i);
        if (kept->written)
                store->changed = true;
        else
                store->n_new--;
        store_touch(store);
        return kept_free(kept);
}

int store_set_blocks(Store *store, const StateBlock *blocks, unsigned n) {
        StateBlock *copy = NULL;

        if (n > store->max_blocks)
                return STORE_E_FULL;
        for (unsigned i = 0; i < n; i++)
                if (!state_block_is_valid(&blocks[i]))
                        return -EINVAL;
        if (n == 0 && store->n_blocks == 0)
                return 0;

        if (n > 0) {
                copy = calloc(n, sizeof(*copy));
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, blocks, n * sizeof(*copy));
        }

        free(store->blocks);
        store->blocks = copy;
        store->n_blocks = n;
        store->changed = true;
        store_touch(store);
        return 0;
}

bool store_has(const StoreLease *kept) {
        for (unsigned i = 0; i < kept->entry->n_fds; i++)
                if (!kept->entry->fds[i].sent)
                        return false;

        return kept->written;
}

unsigned store_count_sent(const Store *store) {
        return store->n_sent + store->n_removed + store->state_sent;
}

bool store_is_empty(const Store *store) {
        return store->n_leases == 0 && store->n_blocks == 0;
}

static int store_write(Store *store) {
        _cleanup_free_ StateEntry **entries = NULL;
        StateContent content = {.blocks = store->blocks, .n_blocks = store->n_blocks};
        int r;

        if (store->state.fd < 0) {
                if (store_is_empty(store))
                        return 0;
                r = state_init(&store->state);
                if (r < 0)
                        return r;
        }

        content.entries = entries = calloc(store->n_leases + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        for (StoreLease *kept = store->leases; kept; kept = kept->next)
                entries[content.n_entries++] = kept->entry;

        r = state_write(&store->state, &content);
        if (r < 0)
                return r;

        for (StoreLease *kept = store->leases; kept; kept = kept->next)
                kept->written = true;
        store->n_new = 0;
        return 0;
}

static int store_send_removals(Store *store) {
        char name[STORE_NAME_SIZE];
        int r;

        while (store->n_removed > 0) {
                r = send_removal(store, name_format(store->removed[store->n_removed - 1], name));
                if (r < 0)
                        return r;
                store->n_removed--;
        }

        return 0;
}

static int store_send_state(Store *store) {
        int r;

        if (store->state_stale) {
                r = send_removal(store, STORE_STATE_NAME);
                if (r < 0)
                        return r;
                store->state_sent = store->state_stale = false;
        }
        if (store->state_sent)
                return 0;

        r = send_fd(store, STORE_STATE_NAME, store->state.fd);
        if (r < 0)
                return r;

        store->state_sent = true;
        return 0;
}

static int store_send_fds(Store *store) {
        char name[STORE_NAME_SIZE];
        int r;

        for (StoreLease *kept = store->leases; kept; kept = kept->next)
                for (unsigned i = 0; i < kept->entry->n_fds; i++) {
                        StateFd *fd = &kept->entry->fds[i];

                        if (fd->sent)
                                continue;
                        r = send_fd(store, name_format(store_entry_name(kept->entry, i), name),
                                    fd->fd);
                        if (r < 0)
                                return r;
                        fd->sent = true;
                        store->n_sent++;
                }

        return 0;
}

static int store_send_all(Store *store) {
        int r;

        r = store_send_state(store);
        return r < 0 ? r : store_send_fds(store);
}

/* Nothing is left of it, in PID 1 either. */
static int store_drop_state(Store *store) {
        int r;

        if (store->state_sent) {
                r = send_removal(store, STORE_STATE_NAME);
                if (r < 0)
                        return r;
        }

        store->state_sent = store->state_stale = false;
        state_deinit(&store->state);
        return 0;
}

int store_flush(Store *store) {
        return store_go(store, UINT_MAX);
}

static int store_go(Store *store, unsigned budget) {
        int written, r;

        store->budget = budget;

        deadline_lift(&store->deadline);
        if (!store_is_dirty(store))
                return 0;

        /* What is over is taken out also where the state could not be written: its descriptors will
         * be missing, and nobody takes it for something that lives. And where nothing is left it is
         * written before it goes: somebody may read it in between. */
        written = store_write(store);
        r = store_send_removals(store);
        if (r >= 0 && store_is_empty(store))
                r = store_drop_state(store);
        else if (r >= 0)
                r = written < 0 ? written : store_send_all(store);

        store->changed = r < 0;
        if (r < 0)
                (void)deadline_set_relative(&store->deadline,
                                            r == -EAGAIN ? STORE_PAUSE_USEC : STORE_RETRY_USEC);
        return r;
}
