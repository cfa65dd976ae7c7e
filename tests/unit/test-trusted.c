/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "policy/trusted.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

static int setup(void **state) {
        static Tree tree;

        tree_init(&tree);
        *state = &tree;
        return 0;
}

static int teardown(void **state) {
        tree_deinit(*state);
        return 0;
}

/* Opens a folder of the tree: what it comes to, and whether the reason says this. */
static int open_folder(const Tree *tree, const char *path, uid_t owner, const char *reason) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *said = NULL;
        char buf[TREE_PATH_SIZE];
        int r;

        r = trusted_open_folder(tree_path(tree, path, buf), owner, &fd, &said);
        assert_int_equal(said != NULL, r == TRUSTED_E_REFUSED);
        if (r == 0)
                assert_true(fd >= 0);
        if (reason) {
                assert_non_null(said);
                if (!strstr(said, reason))
                        fail_msg("\"%s\" does not say \"%s\"", said, reason);
        }
        return r;
}

static void test_folder(void **state) {
        const Tree *tree = *state;
        int n = fds_count();

        tree_folder(tree, "a/b/c");
        assert_int_equal(open_folder(tree, "a/b/c", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "a//b/./c/", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "a/b/x", tree_owner(), NULL), -ENOENT);
        assert_int_equal(open_folder(tree, "x/b/c", tree_owner(), NULL), -ENOENT);
        assert_int_equal(fds_count(), n);
}

static void test_relative_path(void **state) {
        int fd = -EBADF;
        char *reason = NULL;

        assert_int_equal(trusted_open_folder("etc", 0, &fd, &reason), -EINVAL);
        assert_int_equal(trusted_open_folder("", 0, &fd, &reason), -EINVAL);
        assert_null(reason);
}

static void test_folder_of_others(void **state) {
        const Tree *tree = *state;
        int n = fds_count();

        tree_folder(tree, "a/b");
        if (tree_give_away(tree, "a") == 0)
                assert_int_equal(open_folder(tree, "a/b", tree_owner(), "/a belongs to user"),
                                 TRUSTED_E_REFUSED);
        else
                assert_int_equal(open_folder(tree, "a/b", tree_stranger(), "belongs to user"),
                                 TRUSTED_E_REFUSED);
        assert_int_equal(fds_count(), n);
}

static void test_folder_writable(void **state) {
        const Tree *tree = *state;

        tree_folder(tree, "a/b");
        tree_mode(tree, "a/b", 0775);
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), "/a/b can be written by others"),
                         TRUSTED_E_REFUSED);
        tree_mode(tree, "a/b", 0757);
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), "chmod go-w"), TRUSTED_E_REFUSED);
        /* The sticky bit does not help the folder itself: a hard link could be put there. */
        tree_mode(tree, "a/b", 01777);
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), "/a/b can be"), TRUSTED_E_REFUSED);

        tree_mode(tree, "a/b", 0755);
        tree_mode(tree, "a", 0775);
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), "/a can be written by others"),
                         TRUSTED_E_REFUSED);
        /* What is not there is not there, whoever could put it there. */
        assert_int_equal(open_folder(tree, "a/x", tree_owner(), NULL), -ENOENT);
        tree_mode(tree, "a", 01777);
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), NULL), 0);
}

static void test_folder_unreadable(void **state) {
        const Tree *tree = *state;

        tree_folder(tree, "a");
        tree_mode(tree, "a", 0700);
        assert_int_equal(open_folder(tree, "a", tree_owner(), "chmod a+rx"), TRUSTED_E_REFUSED);
        tree_mode(tree, "a", 0711);
        assert_int_equal(open_folder(tree, "a", tree_owner(), "chmod a+rx"), TRUSTED_E_REFUSED);
}

static void test_not_a_folder(void **state) {
        const Tree *tree = *state;

        tree_file(tree, "a/b", "text");
        assert_int_equal(open_folder(tree, "a/b", tree_owner(), "Not a directory"),
                         TRUSTED_E_REFUSED);
        assert_int_equal(open_folder(tree, "a/b/c", tree_owner(), "Not a directory"),
                         TRUSTED_E_REFUSED);
}

static void test_links_between_folders(void **state) {
        const Tree *tree = *state;
        char buf[TREE_PATH_SIZE];

        tree_folder(tree, "real/deep");
        tree_link(tree, "relative", "real");
        tree_link(tree, "absolute", tree_path(tree, "real", buf));
        tree_link(tree, "real/up", "../real/deep");
        tree_link(tree, "dangling", "nowhere");
        tree_link(tree, "round", "round");

        assert_int_equal(open_folder(tree, "relative/deep", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "absolute/deep", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "relative/up", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "dangling/deep", tree_owner(), NULL), -ENOENT);
        assert_int_equal(open_folder(tree, "round", tree_owner(), "symbolic links"),
                         TRUSTED_E_REFUSED);

        /* A link is no way around what it leads through. */
        tree_mode(tree, "real", 0777);
        assert_int_equal(open_folder(tree, "relative/deep", tree_owner(), "/real can be written"),
                         TRUSTED_E_REFUSED);
        assert_int_equal(open_folder(tree, "absolute", tree_owner(), "/real can be written"),
                         TRUSTED_E_REFUSED);
}

static void test_link_of_others(void **state) {
        const Tree *tree = *state;

        tree_folder(tree, "real");
        tree_link(tree, "link", "real");
        if (tree_give_away(tree, "link") < 0)
                skip();
        assert_int_equal(open_folder(tree, "link", tree_owner(), "/link belongs to user"),
                         TRUSTED_E_REFUSED);
}

static void test_link_to_root_folder(void **state) {
        const Tree *tree = *state;

        tree_link(tree, "link", "/");
        assert_int_equal(open_folder(tree, "link", tree_owner(), NULL), 0);
        assert_int_equal(open_folder(tree, "link/proc", tree_owner(), NULL), 0);
}

typedef struct Answer {
        int result;
        char *text;
        size_t size;
        char *reason;
} Answer;

static Answer read_file(const Tree *tree, const char *name, uid_t owner, size_t max) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *reason = NULL;
        Answer answer = {};

        assert_true(trusted_open_folder(tree->path, owner, &fd, &reason) >= 0);
        assert_true(fd >= 0);
        answer.result = trusted_read_file(fd, name, name, owner, max, &answer.text, &answer.size,
                                          &answer.reason);
        return answer;
}

static void assert_answer(Answer answer, int result, const char *text) {
        assert_int_equal(answer.result, result);
        if (result == 0) {
                assert_string_equal(answer.text, text);
                assert_int_equal(answer.size, strlen(text));
        } else {
                assert_null(answer.text);
        }
        if (result == TRUSTED_E_REFUSED && !strstr(answer.reason, text))
                fail_msg("\"%s\" does not say \"%s\"", answer.reason, text);
        if (result != TRUSTED_E_REFUSED)
                assert_null(answer.reason);
        free(answer.text);
        free(answer.reason);
}

static void test_file(void **state) {
        const Tree *tree = *state;
        int n = fds_count();

        tree_file(tree, "text", "hello");
        tree_file(tree, "empty", "");
        tree_link(tree, "null", "/dev/null");
        tree_link(tree, "link", "text");
        tree_link(tree, "nearly", "/dev/null2");
        tree_link(tree, "shorter", "/dev/nul");
        tree_folder(tree, "folder");
        tree_file(tree, "group", "x");
        tree_mode(tree, "group", 0664);
        tree_file(tree, "world", "x");
        tree_mode(tree, "world", 0646);
        tree_file(tree, "secret", "x");
        tree_mode(tree, "secret", 0640);

        assert_answer(read_file(tree, "text", tree_owner(), 5), 0, "hello");
        assert_answer(read_file(tree, "text", tree_owner(), 4), TRUSTED_E_REFUSED,
                      "larger than 4 bytes");
        assert_answer(read_file(tree, "none", tree_owner(), 5), -ENOENT, NULL);
        assert_answer(read_file(tree, "empty", tree_owner(), 5), TRUSTED_E_MASKED, NULL);
        assert_answer(read_file(tree, "null", tree_owner(), 5), TRUSTED_E_MASKED, NULL);
        assert_answer(read_file(tree, "link", tree_owner(), 5), TRUSTED_E_REFUSED, "symbolic link");
        assert_answer(read_file(tree, "nearly", tree_owner(), 5), TRUSTED_E_REFUSED,
                      "symbolic link");
        assert_answer(read_file(tree, "shorter", tree_owner(), 5), TRUSTED_E_REFUSED,
                      "symbolic link");
        assert_answer(read_file(tree, "folder", tree_owner(), 5), TRUSTED_E_REFUSED,
                      "not a regular file");
        assert_answer(read_file(tree, "group", tree_owner(), 5), TRUSTED_E_REFUSED, "chmod go-w");
        assert_answer(read_file(tree, "world", tree_owner(), 5), TRUSTED_E_REFUSED, "chmod go-w");
        assert_answer(read_file(tree, "secret", tree_owner(), 5), TRUSTED_E_REFUSED, "chmod a+r ");
        assert_int_equal(fds_count(), n);
}

/* Nobody waits for a writer, or for a carrier. */
static void test_fifo(void **state) {
        const Tree *tree = *state;
        char buf[TREE_PATH_SIZE];

        assert_int_equal(mkfifo(tree_path(tree, "fifo", buf), 0644), 0);
        assert_answer(read_file(tree, "fifo", tree_owner(), 5), TRUSTED_E_REFUSED,
                      "not a regular file");
}

static void test_file_of_others(void **state) {
        const Tree *tree = *state;

        tree_file(tree, "text", "hello");
        if (tree_give_away(tree, "text") == 0)
                assert_answer(read_file(tree, "text", tree_owner(), 5), TRUSTED_E_REFUSED,
                              "belongs to user 4711 and not to root");
        else
                assert_answer(read_file(tree, "text", tree_stranger(), 5), TRUSTED_E_REFUSED,
                              "and not to root");
}

static void test_nul_is_kept(void **state) {
        const Tree *tree = *state;
        Answer answer;

        tree_bytes(tree, "nul", "a\0b", 3);
        answer = read_file(tree, "nul", tree_owner(), 5);
        assert_int_equal(answer.result, 0);
        assert_int_equal(answer.size, 3);
        assert_memory_equal(answer.text, "a\0b\0", 4);
        free(answer.text);
}

static void test_subfolder(void **state) {
        const Tree *tree = *state;
        _cleanup_close_ int folder_fd = -EBADF;
        char *reason = NULL;
        int fd = -EBADF;

        tree_folder(tree, "good");
        tree_folder(tree, "bad");
        tree_mode(tree, "bad", 0775);
        tree_link(tree, "link", "good");
        tree_file(tree, "file", "x");
        assert_int_equal(trusted_open_folder(tree->path, tree_owner(), &folder_fd, &reason), 0);

        assert_int_equal(trusted_open_subfolder(folder_fd, "none", "P", tree_owner(), &fd, &reason),
                         -ENOENT);
        assert_int_equal(trusted_open_subfolder(folder_fd, "good", "P", tree_owner(), &fd, &reason),
                         0);
        fd = close_fd(fd);

        assert_int_equal(
                trusted_open_subfolder(folder_fd, "bad", "P/bad", tree_owner(), &fd, &reason),
                TRUSTED_E_REFUSED);
        assert_non_null(strstr(reason, "P/bad can be written by others"));
        free(TAKE_PTR(reason));
        assert_int_equal(trusted_open_subfolder(folder_fd, "link", "P", tree_owner(), &fd, &reason),
                         TRUSTED_E_REFUSED);
        free(TAKE_PTR(reason));
        assert_int_equal(trusted_open_subfolder(folder_fd, "file", "P", tree_owner(), &fd, &reason),
                         TRUSTED_E_REFUSED);
        free(TAKE_PTR(reason));
        assert_int_equal(fd, -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
                cmocka_unit_test(test_relative_path),
                cmocka_unit_test_setup_teardown(test_folder_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folder_writable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folder_unreadable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_not_a_folder, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links_between_folders, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_to_root_folder, setup, teardown),
                cmocka_unit_test_setup_teardown(test_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fifo, setup, teardown),
                cmocka_unit_test_setup_teardown(test_file_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nul_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_subfolder, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
