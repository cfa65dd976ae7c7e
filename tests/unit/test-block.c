/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/block.h"

/* Until when; 0: is not kept out. */
static uint64_t until(const BlockTable *table, uid_t uid, const char *endpoint, uint64_t now) {
        const Block *block = block_table_find(table, uid, endpoint, now);

        return block ? block->until : 0;
}

static void test_find(void **state) {
        BlockTable table = {};

        assert_true(block_table_is_empty(&table, 0));
        assert_int_equal(block_table_add(&table, 1, "docker", 0, 100, false, 1), 0);
        assert_int_equal(until(&table, 1, "docker", 50), 100);
        assert_int_equal(until(&table, 1, "docker", 100), 0);
        assert_int_equal(until(&table, 1, "docker2", 50), 0);
        assert_int_equal(until(&table, 1, "dock", 50), 0);
        /* A template is all of its instances, and one instance is no other. */
        assert_int_equal(until(&table, 1, "docker@x", 50), 100);
        assert_int_equal(block_table_add(&table, 3, "serial@a", 0, 100, false, 3), 0);
        assert_int_equal(until(&table, 3, "serial@a", 50), 100);
        assert_int_equal(until(&table, 3, "serial@ab", 50), 0);
        assert_int_equal(until(&table, 3, "serial", 50), 0);
        assert_int_equal(until(&table, 2, "docker", 50), 0);

        /* Of all, and the longest counts. */
        assert_int_equal(block_table_add(&table, 1, "", 0, 200, false, 1), 0);
        assert_int_equal(until(&table, 1, "docker", 50), 200);
        assert_int_equal(until(&table, 1, "log", 150), 200);
        assert_string_equal(block_table_find(&table, 1, "docker", 50)->endpoint, "");
        assert_int_equal(block_table_add(&table, 1, "docker@x", 0, 250, false, 1), 0);
        assert_int_equal(until(&table, 1, "docker@x", 50), 250);
        assert_string_equal(block_table_find_widest(&table, 1, "docker@x", 50)->endpoint, "");
        assert_string_equal(block_table_find_widest(&table, 1, "docker@x", 225)->endpoint,
                            "docker@x");
        assert_null(block_table_find_widest(&table, 1, "docker@y", 225));
        block_table_remove(&table, 1, "docker@x", false);

        /* One that is there is made longer, and not shorter. */
        assert_int_equal(block_table_add(&table, 1, "docker", 0, 300, false, 1), 0);
        assert_int_equal(block_table_add(&table, 1, "docker", 0, 10, false, 1), 0);
        assert_int_equal(until(&table, 1, "docker", 250), 300);
        assert_int_equal(table.n, 3);

        assert_false(block_table_is_empty(&table, 299));
        assert_true(block_table_is_empty(&table, 300));
        assert_int_equal(table.n, 0);
        block_table_deinit(&table);
}

static void test_remove(void **state) {
        BlockTable table = {};

        assert_int_equal(block_table_add(&table, 1, "a", 0, 100, false, 1), 0);
        assert_int_equal(block_table_add(&table, 1, "b", 0, 100, true, 1), 0);
        assert_int_equal(block_table_add(&table, 2, "b", 0, 100, true, 2), 0);
        /* Nobody lets themselves in whom somebody else keeps out, */
        block_table_remove(&table, 1, "", true);
        assert_int_equal(until(&table, 1, "a", 1), 100);
        assert_int_equal(until(&table, 1, "b", 1), 0);
        block_table_remove(&table, 1, "a", false);
        assert_int_equal(until(&table, 1, "a", 1), 0);
        assert_int_equal(until(&table, 2, "b", 1), 100);

        /* nor by keeping themselves out of the same. */
        assert_int_equal(block_table_add(&table, 1, "a", 0, 100, false, 1), 0);
        assert_int_equal(block_table_add(&table, 1, "a", 0, 200, true, 1), 0);
        block_table_remove(&table, 1, "", true);
        assert_int_equal(until(&table, 1, "a", 1), 200);
        block_table_deinit(&table);
}

/* A template's name lets in to all of its instances; what is left is found by either. */
static void test_remove_instances(void **state) {
        BlockTable table = {};

        assert_int_equal(block_table_add(&table, 1, "serial@a", 0, 100, false, 1), 0);
        assert_int_equal(block_table_add(&table, 1, "serial@b", 0, 100, true, 1), 0);
        assert_int_equal(block_table_add(&table, 1, "serialize", 0, 100, false, 1), 0);
        block_table_remove(&table, 1, "serial", true);
        assert_int_equal(until(&table, 1, "serial@b", 1), 0);
        assert_string_equal(block_table_find_any(&table, 1, "serial", 1)->endpoint, "serial@a");
        assert_non_null(block_table_find_any(&table, 1, "", 1));
        assert_null(block_table_find_any(&table, 1, "serial@b", 1));
        assert_null(block_table_find_any(&table, 2, "", 1));
        assert_null(block_table_find_any(&table, 1, "", 100));
        block_table_remove(&table, 1, "serial", false);
        assert_null(block_table_find_any(&table, 1, "serial", 1));
        assert_int_equal(until(&table, 1, "serialize", 1), 100);

        /* Who is kept out of all is so of each, whichever is named. */
        assert_int_equal(block_table_add(&table, 1, "", 0, 100, false, 1), 0);
        block_table_remove(&table, 1, "serialize", false);
        assert_string_equal(block_table_find_any(&table, 1, "serialize", 1)->endpoint, "");
        block_table_remove(&table, 1, "", false);
        assert_null(block_table_find_any(&table, 1, "", 1));
        block_table_deinit(&table);
}

static void test_full(void **state) {
        BlockTable table = {};
        char name[16];

        for (unsigned i = 0; i < BLOCKS_OF_OWN_MAX; i++) {
                (void)snprintf(name, sizeof(name), "e%u", i);
                assert_int_equal(block_table_add(&table, 1, name, 0, 100, true, 1), 0);
        }
        assert_int_equal(block_table_add(&table, 1, "x", 0, 100, true, 1), BLOCK_E_FULL);
        assert_int_equal(block_table_add(&table, 1, "e0", 0, 100, true, 1), 0);
        assert_int_equal(block_table_add(&table, 2, "x", 0, 100, true, 2), 0);
        /* Whoever comes under another number is charged for it as well. */
        assert_int_equal(block_table_add(&table, 100001, "x", 0, 100, true, 1), BLOCK_E_FULL);

        for (unsigned i = table.n; i < BLOCKS_MAX; i++)
                assert_int_equal(block_table_add(&table, 100 + i, "x", 0, 100, false, 100 + i), 0);
        assert_int_equal(block_table_add(&table, 3, "x", 0, 100, true, 3), BLOCK_E_FULL);

        /* Those that users have made for themselves go before one that somebody else makes. */
        for (unsigned i = 0; i < BLOCKS_OF_OWN_MAX + 1; i++)
                assert_int_equal(block_table_add(&table, 5000 + i, "x", 0, 100, false, 3), 0);
        assert_int_equal(block_table_add(&table, 3, "x", 0, 100, false, 3), BLOCK_E_FULL);

        /* What is over makes room. */
        assert_int_equal(block_table_add(&table, 3, "x", 100, 200, false, 3), 0);
        assert_int_equal(table.n, 1);
        block_table_deinit(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_remove),
                cmocka_unit_test(test_remove_instances),
                cmocka_unit_test(test_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
