/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/block.h"

void block_table_deinit(BlockTable *table) {
        while (table->first) {
                Block *block = table->first;

                table->first = block->next;
                free(block);
        }
        table->n = 0;
}

static void table_sweep(BlockTable *table, uint64_t now) {
        Block **p = &table->first;

        while (*p) {
                Block *block = *p;

                if (block->until > now) {
                        p = &block->next;
                        continue;
                }
                *p = block->next;
                table->n--;
                free(block);
        }
}

static unsigned table_count_own(const BlockTable *table, uid_t owner) {
        unsigned n = 0;

        for (const Block *block = table->first; block; block = block->next)
                n += block->own && block->owner == owner;
        return n;
}

/* Drops one that a user has made for themselves. */
static void table_make_room(BlockTable *table) {
        Block **p = &table->first;

        while (*p && !(*p)->own)
                p = &(*p)->next;
        if (*p) {
                Block *block = *p;

                *p = block->next;
                table->n--;
                free(block);
        }
}

/* Whether the name is that endpoint, or one of its instances; "" is all that there are. */
static bool is_of(const char *name, const char *endpoint) {
        size_t n = strlen(endpoint);

        return strncmp(endpoint, name, n) == 0 && (n == 0 || !name[n] || name[n] == '@');
}

static bool block_fits(const Block *block, const char *endpoint) {
        return is_of(endpoint, block->endpoint);
}

int block_table_add(BlockTable *table, uid_t uid, const char *endpoint, uint64_t now,
                    uint64_t until, bool own, uid_t owner) {
        Block *block;

        table_sweep(table, now);
        for (block = table->first; block; block = block->next)
                if (block->uid == uid && streq(block->endpoint, endpoint)) {
                        if (block->until < until)
                                block->until = until;
                        block->own = block->own && own;
                        return 0;
                }

        if (table->n >= BLOCKS_MAX && !own)
                table_make_room(table);
        if (table->n >= BLOCKS_MAX || (own && table_count_own(table, owner) >= BLOCKS_OF_OWN_MAX))
                return BLOCK_E_FULL;

        block = calloc(1, sizeof(*block));
        if (!block)
                return -ENOMEM;

        block->uid = uid;
        (void)copy_text(block->endpoint, sizeof(block->endpoint), endpoint);
        block->until = until;
        block->own = own;
        block->owner = owner;
        block->next = table->first;
        table->first = block;
        table->n++;
        return 0;
}

void block_table_remove(BlockTable *table, uid_t uid, const char *endpoint, bool own) {
        for (Block *block = table->first; block; block = block->next)
                if (block->uid == uid && (block->own || !own) && is_of(block->endpoint, endpoint))
                        block->until = 0;
        table_sweep(table, 0);
}

const Block *block_table_find(const BlockTable *table, uid_t uid, const char *endpoint,
                              uint64_t now) {
        const Block *longest = NULL;

        for (const Block *block = table->first; block; block = block->next)
                if (block->uid == uid && block->until > now && block_fits(block, endpoint) &&
                    (!longest || block->until > longest->until))
                        longest = block;
        return longest;
}

const Block *block_table_find_widest(const BlockTable *table, uid_t uid, const char *endpoint,
                                     uint64_t now) {
        const Block *widest = NULL;

        /* All of them are beginnings of one name. */
        for (const Block *block = table->first; block; block = block->next)
                if (block->uid == uid && block->until > now && block_fits(block, endpoint) &&
                    (!widest || strlen(block->endpoint) < strlen(widest->endpoint)))
                        widest = block;
        return widest;
}

const Block *block_table_find_any(const BlockTable *table, uid_t uid, const char *endpoint,
                                  uint64_t now) {
        for (const Block *block = table->first; block; block = block->next)
                if (block->uid == uid && block->until > now &&
                    (block_fits(block, endpoint) || is_of(block->endpoint, endpoint)))
                        return block;
        return NULL;
}

bool block_table_is_empty(BlockTable *table, uint64_t now) {
        table_sweep(table, now);
        return !table->first;
}
