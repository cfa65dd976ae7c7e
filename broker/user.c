/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "broker/user.h"

#define TOKEN UINT64_C(1000000)
#define LIMIT_RECORD_USEC UINT64_C(1000000)
#define FAILURES_FADE_USEC (10 * 60 * UINT64_C(1000000))

void user_table_init(UserTable *table, unsigned rate, unsigned burst) {
        *table = (UserTable){.rate = rate, .burst = burst};
}

static void user_free(User *user) {
        for (unsigned i = 0; i < _USER_SLOT_MAX; i++)
                assert(user->used[i] == 0);
        free(user);
}

void user_table_deinit(UserTable *table) {
        for (unsigned i = 0; i < USER_BUCKETS; i++)
                while (table->buckets[i]) {
                        User *user = table->buckets[i];

                        assert(user->n_ref == 0);
                        table->buckets[i] = user->next;
                        user_free(user);
                }
}

/* Counts the tokens that have come since they were last counted. */
static void user_fill(User *user, uint64_t now) {
        uint64_t full = user->table->burst * TOKEN, passed = now - user->filled;

        /* rate tokens a second are rate millionths a microsecond. */
        user->filled = now;
        if (passed > full / user->table->rate)
                user->tokens = full;
        else {
                user->tokens += passed * user->table->rate;
                if (user->tokens > full)
                        user->tokens = full;
        }
}

static bool user_has_failed(const User *user, uint64_t now) {
        return user->failures > 0 && now - user->failed < FAILURES_FADE_USEC;
}

/* Drops the users that have nothing, whose bucket is full, and who have not failed of late: nothing
 * is known of them. */
static void bucket_sweep(UserTable *table, User **p, uint64_t now) {
        while (*p) {
                User *user = *p;

                user_fill(user, now);
                if (user->n_ref > 0 || user->tokens < table->burst * TOKEN ||
                    user_has_failed(user, now) || user->penalty_end > now) {
                        p = &user->next;
                        continue;
                }

                *p = user->next;
                user_free(user);
        }
}

int user_table_ref_user(UserTable *table, uid_t uid, uint64_t now, User **ret) {
        User **bucket = &table->buckets[uid % USER_BUCKETS], *user;

        for (user = *bucket; user; user = user->next)
                if (user->uid == uid)
                        break;

        if (!user) {
                bucket_sweep(table, bucket, now);
                user = calloc(1, sizeof(*user));
                if (!user)
                        return -ENOMEM;
                user->table = table;
                user->uid = uid;
                user->tokens = table->burst * TOKEN;
                user->filled = now;
                user->next = *bucket;
                *bucket = user;
        }

        user->n_ref++;
        *ret = user;
        return 0;
}

User *user_unref(User *user) {
        if (user) {
                assert(user->n_ref > 0);
                user->n_ref--;
        }

        return NULL;
}

int user_charge(User *user, UserSlot slot, unsigned max, UserCharge *charge) {
        assert(!charge->user);

        if (user->used[slot] >= max)
                return USER_E_QUOTA;

        user->used[slot]++;
        user->table->used[slot]++;
        user->n_ref++;
        *charge = (UserCharge){.user = user, .slot = slot};
        return 0;
}

void user_charge_deinit(UserCharge *charge) {
        if (!charge->user)
                return;

        assert(charge->user->used[charge->slot] > 0);
        charge->user->used[charge->slot]--;
        charge->user->table->used[charge->slot]--;
        charge->user = user_unref(charge->user);
}

int user_take_tokens(User *user, unsigned n, uint64_t now, uint64_t *ret_wait_ms) {
        uint64_t wanted = n * TOKEN;

        user_fill(user, now);

        if (user->tokens < wanted) {
                *ret_wait_ms = (wanted - user->tokens) / user->table->rate / 1000 + 1;
                return USER_E_QUOTA;
        }

        user->tokens -= wanted;
        return 0;
}

unsigned user_count_tokens(User *user, uint64_t now) {
        user_fill(user, now);
        return (unsigned)(user->tokens / TOKEN);
}

int user_take_token(User *user, uint64_t now, uint64_t *ret_wait_ms) {
        return user_take_tokens(user, 1, now, ret_wait_ms);
}

void user_add_failure(User *user, uint64_t now, unsigned max, uint64_t usec) {
        if (!user_has_failed(user, now))
                user->failures = 0;
        user->failures++;
        user->failed = now;

        if (user->failures >= max) {
                user->failures = 0;
                user->penalty_end = now + usec;
        }
}

uint64_t user_penalty_ms(const User *user, uint64_t now) {
        return user->penalty_end > now ? (user->penalty_end - now) / 1000 + 1 : 0;
}

bool user_table_remembers(const UserTable *table, uint64_t now) {
        for (unsigned i = 0; i < USER_BUCKETS; i++)
                for (const User *user = table->buckets[i]; user; user = user->next)
                        if (user_has_failed(user, now) || user->penalty_end > now)
                                return true;

        return false;
}

bool user_limit_is_recorded(User *user, uint64_t now, unsigned *ret_suppressed) {
        if (user->limit_recorded && now - user->limit_recorded < LIMIT_RECORD_USEC) {
                user->limit_suppressed++;
                return false;
        }

        *ret_suppressed = user->limit_suppressed;
        user->limit_suppressed = 0;
        user->limit_recorded = now;
        return true;
}
