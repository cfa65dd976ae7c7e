/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "broker/store-internal.h"

/* A descriptor that systemd has passed. */
typedef struct Found {
        StoreName name;
        int fd; /* -EBADF: it was taken */
} Found;

static bool parse_name(const char *text, StoreName *ret) {
        if ((text[0] != STORE_CONTROL && text[0] != STORE_DUPLICATE) ||
            strspn(text + 1, "0123456789abcdef") != STORE_DIGITS || text[1 + STORE_DIGITS])
                return false;

        *ret = (StoreName){.kind = text[0], .number = (uint32_t)strtoul(text + 1, NULL, 16)};
        return true;
}

static int found_compare(const void *a, const void *b) {
        const StoreName *x = &((const Found *)a)->name, *y = &((const Found *)b)->name;

        if (x->number != y->number)
                return x->number < y->number ? -1 : 1;
        return (x->kind > y->kind) - (x->kind < y->kind);
}

static int found_take(Found *found, unsigned n, StoreName name) {
        Found key = {.name = name}, *there;

        there = bsearch(&key, found, n, sizeof(*found), found_compare);
        return there ? TAKE_FD(there->fd) : -EBADF;
}

static void cut_consume_fd(int fd) {
        if (fd >= 0)
                (void)shutdown(fd, SHUT_RDWR);
        close_fd(fd);
}

/* Those of leases go to found; where there is no array, they are cut. Returns that of the state. */
static int take_fds(int *fds, char *const *names, unsigned n, Found *found, unsigned *ret_n) {
        int state_fd = -EBADF;
        unsigned n_found = 0;
        StoreName name;

        for (unsigned i = 0; i < n; i++) {
                if (streq(names[i], STORE_STATE_NAME)) {
                        close_fd(state_fd);
                        state_fd = TAKE_FD(fds[i]);
                } else if (parse_name(names[i], &name)) {
                        if (found)
                                found[n_found++] = (Found){.name = name, .fd = TAKE_FD(fds[i])};
                        else
                                cut_consume_fd(TAKE_FD(fds[i]));
                }
        }

        *ret_n = n_found;
        return state_fd;
}

/* One that is whole is kept. The descriptors are the caller's in any case. */
static int take_entry(Store *store, StateEntry **entry, Found *found, unsigned n_found,
                      StoreTaken *ret) {
        unsigned n_fds = (*entry)->n_fds;
        StoreLease *kept = calloc(1, sizeof(*kept));
        int *fds = calloc(n_fds, sizeof(*fds));
        bool whole = store_has_room(store, 1, n_fds);

        if (!kept || !fds) {
                free(fds);
                free(kept);
                return -ENOMEM;
        }

        for (unsigned i = 0; i < n_fds; i++) {
                fds[i] = found_take(found, n_found, store_entry_name(*entry, i));
                (*entry)->fds[i].fd = fds[i];
                (*entry)->fds[i].sent = fds[i] >= 0;
                whole = whole && fds[i] >= 0;
        }

        *ret = (StoreTaken){.lease = (*entry)->lease, .fds = fds, .n_fds = n_fds};
        if (whole) {
                kept->entry = TAKE_PTR(*entry);
                kept->written = true;
                store_link(store, kept);
                store->n_sent += n_fds;
                ret->kept = kept;
                return 0;
        }

        for (unsigned i = 0; i < n_fds; i++)
                if (fds[i] >= 0)
                        store_forget(store, store_entry_name(*entry, i));
        free(kept);
        store->changed = true;
        return 0;
}

static int take_content(Store *store, StateContent *content, Found *found, unsigned n_found,
                        StoreContent *ret) {
        int r;

        ret->leases = calloc(content->n_entries + 1, sizeof(*ret->leases));
        ret->blocks = calloc(content->n_blocks + 1, sizeof(*ret->blocks));
        if (!ret->leases || !ret->blocks)
                return -ENOMEM;

        for (unsigned i = 0; i < content->n_entries; i++) {
                r = take_entry(store, &content->entries[i], found, n_found, &ret->leases[i]);
                if (r < 0)
                        return r;
                ret->n_leases++;
        }

        if (content->n_blocks > 0)
                memcpy(ret->blocks, content->blocks, content->n_blocks * sizeof(*ret->blocks));
        ret->n_blocks = store->n_blocks = content->n_blocks;
        store->blocks = TAKE_PTR(content->blocks);
        content->n_blocks = 0;
        return 0;
}

/* What no lease has. */
static void take_orphans(Store *store, Found *found, unsigned n_found, StoreContent *ret) {
        for (unsigned i = 0; i < n_found; i++)
                if (found[i].fd >= 0) {
                        store_forget(store, found[i].name);
                        ret->orphans[ret->n_orphans++] = TAKE_FD(found[i].fd);
                }
}

static void note_numbers(Store *store, const Found *found, unsigned n_found) {
        for (unsigned i = 0; i < n_found; i++)
                if (found[i].name.number > store->number)
                        store->number = found[i].name.number;
}

int store_take(Store *store, int *fds, char *const *names, unsigned n, StoreContent *ret) {
        _cleanup_(state_content_deinit) StateContent state = {};
        _cleanup_free_ Found *found = calloc(n + 1, sizeof(*found));
        StoreContent content = {.orphans = calloc(n + 1, sizeof(int))};
        unsigned n_found;
        int state_fd, r;

        r = store_reserve(store, n);
        if (r < 0 || !content.orphans) {
                free(found);
                found = NULL;
        }

        state_fd = take_fds(fds, names, n, found, &n_found);
        if (state_fd >= 0) {
                store->state_sent = true;
                content.error = state_init_consume_fd(&store->state, state_fd, &state);
                store->state_stale = content.error < 0;
        }
        if (!found) {
                store->changed = store->state_sent;
                store_touch(store);
                free(content.orphans);
                return -ENOMEM;
        }

        qsort(found, n_found, sizeof(*found), found_compare);
        note_numbers(store, found, n_found);
        r = take_content(store, &state, found, n_found, &content);
        take_orphans(store, found, n_found, &content);
        if (r < 0 || store->state_stale || (store->state_sent && store_is_empty(store)))
                store->changed = true;
        if (r < 0)
                store_content_deinit(store, &content);
        store_touch(store);
        if (r < 0)
                return r;

        *ret = content;
        return 0;
}

static bool taken_is_left(const StoreTaken *taken) {
        for (unsigned i = 0; i < taken->n_fds; i++)
                if (taken->fds[i] >= 0)
                        return true;

        return false;
}

void store_content_deinit(Store *store, StoreContent *content) {
        for (unsigned i = 0; i < content->n_leases; i++) {
                StoreTaken *taken = &content->leases[i];

                if (taken_is_left(taken))
                        store_remove(store, taken->kept);
                for (unsigned j = 0; j < taken->n_fds; j++)
                        cut_consume_fd(taken->fds[j]);
                free(taken->fds);
        }
        for (unsigned i = 0; i < content->n_orphans; i++)
                cut_consume_fd(content->orphans[i]);

        free(content->leases);
        free(content->blocks);
        free(content->orphans);
        *content = (StoreContent){};
}
