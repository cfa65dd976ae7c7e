#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Block: who is not let in again for a while
 *
 * A client that reconnects by itself would have back at once what was revoked. So a revocation can
 * keep a user out, of one endpoint or of all, for a time.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/name.h"

/* In all; and of those that a user has made for themselves. What somebody else keeps them out of
 * goes before. */
#define BLOCKS_MAX 1000U
#define BLOCKS_OF_OWN_MAX 16U

typedef struct Block Block;

struct Block {
        Block *next;
        uid_t uid;
        char endpoint[NAME_TEXT_SIZE]; /* "": all */
        uint64_t until;                /* µs of CLOCK_BOOTTIME */
        bool own;                      /* made by that user, */
        uid_t owner;                   /* or whoever is charged for them */
};

typedef struct BlockTable {
        Block *first;
        unsigned n;
} BlockTable;

enum {
        _BLOCK_E_SUCCESS,
        BLOCK_E_FULL,
};

void block_table_deinit(BlockTable *table);

/* Keeps the user out until then; one that is there already is only made longer. With own the user
 * does so, at the charge of owner. An endpoint without an instance is all of its instances.
 * -ENOMEM, BLOCK_E_FULL. now and until are of CLOCK_BOOTTIME. */
int block_table_add(BlockTable *table, uid_t uid, const char *endpoint, uint64_t now,
                    uint64_t until, bool own, uid_t owner) _must_check_;

/* Lets the user in again: to that endpoint (of a template, to all of its instances), or with "" to
 * all. With own it is only what they made themselves. */
void block_table_remove(BlockTable *table, uid_t uid, const char *endpoint, bool own);

/* What keeps the user out of this endpoint for longest; NULL: nothing does. */
const Block *block_table_find(const BlockTable *table, uid_t uid, const char *endpoint,
                              uint64_t now);

/* The widest of those: who is let in to its endpoint is kept out of this one no more. */
const Block *block_table_find_widest(const BlockTable *table, uid_t uid, const char *endpoint,
                                     uint64_t now);

/* Something that keeps the user out of it, or of one of its instances; with "" of anything. */
const Block *block_table_find_any(const BlockTable *table, uid_t uid, const char *endpoint,
                                  uint64_t now);

/* Whether nobody is kept out any more. */
bool block_table_is_empty(BlockTable *table, uint64_t now);
