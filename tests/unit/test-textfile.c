/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/textfile.h"
#include "tests/support/tree.h"

static int read_file(const Tree *tree, char *buf, size_t size) {
        char path[TREE_PATH_SIZE];

        return textfile_read(tree_path(tree, "file", path), buf, size);
}

static void test_text(void **state) {
        Tree *tree = *state;
        char buf[8];

        tree_file(tree, "file", "abcdef");
        assert_int_equal(read_file(tree, buf, sizeof(buf)), 0);
        assert_string_equal(buf, "abcdef");
        tree_file(tree, "file", "");
        assert_int_equal(read_file(tree, buf, sizeof(buf)), 0);
        assert_string_equal(buf, "");
}

/* What is not the whole of it is not taken for that, and is a string all the same. */
static void test_no_text(void **state) {
        Tree *tree = *state;
        char buf[8];

        tree_file(tree, "file", "abcdefg");
        assert_int_equal(read_file(tree, buf, sizeof(buf)), -EFBIG);
        assert_string_equal(buf, "abcdefg");
        tree_file(tree, "file", "abcdefgh");
        assert_int_equal(read_file(tree, buf, sizeof(buf)), -EFBIG);
        assert_string_equal(buf, "abcdefg");
        tree_bytes(tree, "file", "ab\0cd", 5);
        assert_int_equal(read_file(tree, buf, sizeof(buf)), -EBADMSG);
        assert_string_equal(buf, "ab");
        tree_bytes(tree, "file", "ab\0", 3);
        assert_int_equal(read_file(tree, buf, sizeof(buf)), -EBADMSG);
}

static void test_no_file(void **state) {
        Tree *tree = *state;
        char buf[8] = "before", path[TREE_PATH_SIZE];

        assert_int_equal(read_file(tree, buf, sizeof(buf)), -ENOENT);
        assert_string_equal(buf, "");
        assert_int_equal(mkfifo(tree_path(tree, "file", path), 0600), 0);
        assert_int_equal(read_file(tree, buf, sizeof(buf)), 0);
        assert_string_equal(buf, "");
        tree_remove(tree, "file");
        tree_folder(tree, "file");
        assert_int_equal(read_file(tree, buf, sizeof(buf)), -EISDIR);
}

static Tree tree;

static int setup(void **state) {
        tree_init(&tree);
        *state = &tree;
        return 0;
}

static int teardown(void **state) {
        tree_deinit(*state);
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_text),
                TEST(test_no_text),
                TEST(test_no_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
