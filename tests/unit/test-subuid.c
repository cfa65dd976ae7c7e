/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/subuid.h"
#include "tests/support/tree.h"

static void load(const char *subuid, SubuidTable *table) {
        char subuid_path[TREE_PATH_SIZE], passwd_path[TREE_PATH_SIZE];
        Tree tree = {};

        tree_init(&tree);
        tree_file(&tree, "subuid", subuid);
        tree_file(&tree, "passwd",
                  "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:\n");
        assert_int_equal(subuid_table_load(table, tree_path(&tree, "subuid", subuid_path),
                                           tree_path(&tree, "passwd", passwd_path)),
                         0);
        tree_deinit(&tree);
}

static void test_owners(void **state) {
        SubuidTable table;

        load("alice:100000:65536\n1001:200000:10\nldapuser:300000:100\n", &table);
        assert_int_equal(subuid_table_find_owner(&table, 1000), 1000);
        assert_int_equal(subuid_table_find_owner(&table, 99999), 99999);
        assert_int_equal(subuid_table_find_owner(&table, 100000), 1000);
        assert_int_equal(subuid_table_find_owner(&table, 165535), 1000);
        assert_int_equal(subuid_table_find_owner(&table, 165536), 165536);
        assert_int_equal(subuid_table_find_owner(&table, 200009), 1001);

        /* Of somebody whom this machine's file does not know: one user all the same. */
        assert_int_equal(subuid_table_find_owner(&table, 300000), 300000);
        assert_int_equal(subuid_table_find_owner(&table, 300099), 300000);
        subuid_table_deinit(&table);
}

static void test_lines_that_say_nothing(void **state) {
        SubuidTable table;

        load("\n#\nalice\nalice:1\nalice:x:1\nalice:1:\nalice:5:0\n:5:5\nalice:4294967295:2\n"
             "alice:99999999999:1\nalice:4294967290:5",
             &table);
        assert_int_equal(table.n, 1);
        assert_int_equal(subuid_table_find_owner(&table, 4294967290U), 1000);
        subuid_table_deinit(&table);
}

static void test_no_file(void **state) {
        SubuidTable table;

        assert_int_equal(subuid_table_load(&table, "/nowhere", "/nowhere"), 0);
        assert_int_equal(subuid_table_find_owner(&table, 5), 5);
        subuid_table_deinit(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_owners),
                cmocka_unit_test(test_lines_that_say_nothing),
                cmocka_unit_test(test_no_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
