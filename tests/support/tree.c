/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/tree.h"

#define STRANGER 4711

void tree_init(Tree *tree) {
        const char *folder = getenv("TMPDIR");

        (void)snprintf(tree->path, sizeof(tree->path), "%s/doorward-test-XXXXXX",
                       folder ? folder : "/tmp");
        assert_non_null(mkdtemp(tree->path));
        assert_int_equal(chmod(tree->path, 0755), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

void tree_deinit(Tree *tree) {
        assert_int_equal(nftw(tree->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *tree_path(const Tree *tree, const char *path, char buf[TREE_PATH_SIZE]) {
        int n = snprintf(buf, TREE_PATH_SIZE, "%s/%s", tree->path, path);

        assert_in_range(n, 1, TREE_PATH_SIZE - 1);
        return buf;
}

void tree_folder(const Tree *tree, const char *path) {
        char buf[TREE_PATH_SIZE];

        tree_path(tree, path, buf);
        for (char *slash = buf + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(buf, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
        assert_true(mkdir(buf, 0755) == 0 || errno == EEXIST);
        assert_int_equal(chmod(buf, 0755), 0);
}

static void make_parent(const Tree *tree, const char *path) {
        char parent[TREE_PATH_SIZE];
        char *slash;

        (void)snprintf(parent, sizeof(parent), "%s", path);
        slash = strrchr(parent, '/');
        if (!slash)
                return;
        *slash = '\0';
        tree_folder(tree, parent);
}

void tree_bytes(const Tree *tree, const char *path, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char buf[TREE_PATH_SIZE];

        make_parent(tree, path);
        fd = open(tree_path(tree, path, buf), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        assert_int_equal(fchmod(fd, 0644), 0);
}

void tree_file(const Tree *tree, const char *path, const char *text) {
        tree_bytes(tree, path, text, strlen(text));
}

void tree_link(const Tree *tree, const char *path, const char *target) {
        char buf[TREE_PATH_SIZE];

        make_parent(tree, path);
        assert_int_equal(symlink(target, tree_path(tree, path, buf)), 0);
}

void tree_mode(const Tree *tree, const char *path, mode_t mode) {
        char buf[TREE_PATH_SIZE];

        assert_int_equal(chmod(tree_path(tree, path, buf), mode), 0);
}

int tree_give_away(const Tree *tree, const char *path) {
        char buf[TREE_PATH_SIZE];

        return lchown(tree_path(tree, path, buf), STRANGER, (gid_t)-1) < 0 ? -errno : 0;
}

void tree_remove(const Tree *tree, const char *path) {
        char buf[TREE_PATH_SIZE];

        assert_int_equal(remove(tree_path(tree, path, buf)), 0);
}

char *tree_read(const Tree *tree, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        char buf[TREE_PATH_SIZE];
        struct stat st;
        char *text;

        fd = open(tree_path(tree, path, buf), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        text = calloc(1, (size_t)st.st_size + 1);
        assert_non_null(text);
        assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
        return text;
}

uid_t tree_owner(void) {
        return geteuid();
}

uid_t tree_stranger(void) {
        return geteuid() + STRANGER;
}
