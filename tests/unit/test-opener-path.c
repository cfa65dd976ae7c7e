/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/peer.h"
#include "helpers/opener-path.h"
#include "tests/support/fds.h"
#include "tests/support/fuse.h"

/* A tree of our own stands for "/", and who is root in it is a parameter. */
typedef struct Fixture {
        char folder[64];
        int root;
        OpenerMounts mounts;
        OpenerPathRules rules;
        OpenerReply reply;
        struct stat st;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-opener-path-XXXXXX");
        if (!mkdtemp(f->folder) || chmod(f->folder, 0755) < 0)
                return -1;
        f->root = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (f->root < 0)
                return -1;

        f->rules = (OpenerPathRules){.mounts = &f->mounts,
                                     .root_fd = f->root,
                                     .root = getuid(),
                                     .peer = PEER_UID_INVALID};
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void)nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        opener_mounts_deinit(&f->mounts);
        close_fd(f->root);
        free(f);
        return 0;
}

static void make_folder(Fixture *f, const char *path, mode_t mode) {
        assert_int_equal(mkdirat(f->root, path, 0755), 0);
        assert_int_equal(fchmodat(f->root, path, mode, 0), 0);
}

static void make_file(Fixture *f, const char *path) {
        int fd = openat(f->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        close_fd(fd);
}

static void make_link(Fixture *f, const char *target, const char *path) {
        assert_int_equal(symlinkat(target, f->root, path), 0);
}

static int walk(Fixture *f, const char *path) {
        int before = fds_count() + !f->mounts.table;
        int fd = -EBADF, r;

        f->reply = (OpenerReply){};
        r = opener_path_walk(&f->rules, path, &fd, &f->st, &f->reply);
        assert_int_equal(r == 0, fd >= 0);
        if (fd >= 0) {
                assert_true(fcntl(fd, F_GETFL) & O_PATH);
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        }
        close_fd(fd);
        assert_int_equal(fds_count() + !f->mounts.table, before);
        return r;
}

/* The path leads to what the other one, taken plainly, is. */
static void assert_leads(Fixture *f, const char *path, const char *plain) {
        struct stat st;

        assert_int_equal(walk(f, path), 0);
        assert_int_equal(fstatat(f->root, plain, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(f->st.st_ino, st.st_ino);
        assert_int_equal(f->st.st_dev, st.st_dev);
}

static void assert_refused(Fixture *f, const char *path, int error, const char *detail) {
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_int_equal(f->reply.status, OPENER_PATH);
        assert_int_equal(f->reply.error, error);
        assert_string_equal(f->reply.detail, detail);
}

static void test_plain(void **state) {
        Fixture *f = *state;

        make_folder(f, "a", 0755);
        make_folder(f, "a/b", 0711);
        make_file(f, "a/b/c");
        make_file(f, "...");
        assert_leads(f, "/a/b/c", "a/b/c");
        assert_leads(f, "//a///b//c", "a/b/c");
        assert_leads(f, "/./a/././b/./c", "a/b/c");
        assert_leads(f, "/a/b", "a/b");
        assert_leads(f, "/a/b/", "a/b");
        assert_refused(f, "/a/b/.", EISDIR, "/a/b is a folder");
        assert_leads(f, "/...", "...");
}

static void test_not_there(void **state) {
        Fixture *f = *state;

        make_folder(f, "a", 0755);
        make_file(f, "a/file");
        assert_refused(f, "/a/b", ENOENT, "/a/b does not exist");
        assert_refused(f, "/x/b", ENOENT, "/x does not exist");
        assert_refused(f, "/a/file/x", ENOTDIR, "/a/file is not a folder");
        assert_refused(f, "/a/file/..", ENOTDIR, "/a/file is not a folder");
}

static void test_no_path(void **state) {
        Fixture *f = *state;
        char path[PATH_MAX + 8];

        assert_refused(f, "", EINVAL, " is not a path");
        assert_refused(f, "a", EINVAL, "a is not a path");
        assert_refused(f, "/", EISDIR, "/ is a folder");
        assert_refused(f, "/./", EISDIR, "/ is a folder");

        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[PATH_MAX] = 0;
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_int_equal(f->reply.error, EINVAL);
        path[NAME_MAX + 2] = 0;
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_int_equal(f->reply.error, ENAMETOOLONG);
        path[NAME_MAX + 1] = 0;
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_int_equal(f->reply.error, ENOENT);
}

static void test_unprintable(void **state) {
        Fixture *f = *state;

        assert_refused(f, "/a\nb\xff", ENOENT, "/a?b? does not exist");
}

static void test_links(void **state) {
        Fixture *f = *state;

        make_folder(f, "a", 0755);
        make_folder(f, "a/b", 0755);
        make_file(f, "a/b/c");
        make_link(f, "b/c", "a/relative");
        make_link(f, "/a/b/c", "a/absolute");
        make_link(f, "../a/b/c", "a/up");
        make_link(f, "../../../../../a/b/c", "a/upper");
        make_link(f, "/a/b", "folder");
        make_link(f, "a/relative", "twice");
        make_link(f, ".", "a/dot");
        assert_leads(f, "/a/relative", "a/b/c");
        assert_leads(f, "/a/absolute", "a/b/c");
        assert_leads(f, "/a/up", "a/b/c");
        assert_leads(f, "/folder/c", "a/b/c");
        assert_leads(f, "/twice", "a/b/c");
        assert_leads(f, "/a/dot/dot/dot/b/c", "a/b/c");
        assert_leads(f, "/a/relative/", "a/b/c");
        assert_refused(f, "/a/dot", EISDIR, "/a is a folder");
}

static void test_link_count(void **state) {
        Fixture *f = *state;
        char name[16], target[16];

        make_file(f, "l0");
        for (int i = 1; i <= OPENER_PATH_LINKS_MAX + 1; i++) {
                (void)snprintf(name, sizeof(name), "l%d", i);
                (void)snprintf(target, sizeof(target), "l%d", i - 1);
                make_link(f, target, name);
        }
        make_link(f, "loop", "loop");

        assert_leads(f, "/l8", "l0");
        assert_refused(f, "/l9", ELOOP, "/l1 is one link too many");
        assert_refused(f, "/loop", ELOOP, "/loop is one link too many");
}

static void test_link_targets(void **state) {
        Fixture *f = *state;
        char target[PATH_MAX];

        make_link(f, "nowhere", "dangling");
        make_link(f, "/nowhere/else", "absolute");
        assert_refused(f, "/dangling", ENOENT, "/nowhere does not exist");
        assert_refused(f, "/absolute", ENOENT, "/nowhere does not exist");

        /* A text that fits by itself, and not with what is still to be walked. */
        memset(target, '/', sizeof(target));
        target[PATH_MAX - 1] = 0;
        make_link(f, target, "long");
        assert_int_equal(walk(f, "/long"), OPENER_PATH);
        assert_int_equal(f->reply.error, ENAMETOOLONG);
        assert_int_equal(walk(f, "/long/and/more"), OPENER_PATH);
        assert_int_equal(f->reply.error, ENAMETOOLONG);
}

/* Text that leads back into this process leads nowhere: a magic link is not followed as one. */
static void test_magic_link(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char path[64];
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        f->rules.root_fd = root;
        f->rules.root = 0;
        f->rules.peer = getuid();
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
        assert_int_equal(walk(f, path), OPENER_PATH);
        (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)getpid());
        assert_int_equal(walk(f, path), OPENER_PATH);
        close_fd(fds[0]);
        close_fd(fds[1]);
}

/* The reason is told, however long the path. */
static void test_long_path(void **state) {
        Fixture *f = *state;
        char name[NAME_MAX + 1], path[2 * NAME_MAX + 4];

        memset(name, 'x', sizeof(name));
        name[NAME_MAX] = 0;
        make_folder(f, name, 0757);
        (void)snprintf(path, sizeof(path), "/%s/%s", name, name);
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_int_equal(strncmp(f->reply.detail, "...xxx", 6), 0);
        assert_non_null(strstr(f->reply.detail, "xxx is a folder that others can write"));
        assert_int_equal(fchmodat(f->root, name, 0755, 0), 0);
        assert_int_equal(walk(f, path), OPENER_PATH);
        assert_non_null(strstr(f->reply.detail, "/xxx"));
        assert_non_null(strstr(f->reply.detail, "xxx does not exist"));
}

static void test_folder_others_write(void **state) {
        static const mode_t modes[] = {0775, 0757, 01777, 02775};
        Fixture *f = *state;
        char name[32], path[32];

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                (void)snprintf(name, sizeof(name), "d%zu", i);
                (void)snprintf(path, sizeof(path), "/d%zu/x", i);
                make_folder(f, name, modes[i]);
                make_file(f, path + 1);

                /* To open something: never. */
                f->rules.connects = false;
                f->rules.peer = getuid();
                assert_int_equal(walk(f, path), OPENER_PATH);
                assert_non_null(strstr(f->reply.detail, "is a folder that others can write"));

                /* To connect: if it is asked afterwards whose the listener is. */
                f->rules.connects = true;
                assert_leads(f, path, path + 1);
                f->rules.peer = PEER_UID_INVALID;
                assert_int_equal(walk(f, path), OPENER_PATH);
                assert_non_null(strstr(f->reply.detail, "PeerUser= must name"));
        }
}

static void test_link_others_write(void **state) {
        Fixture *f = *state;

        make_file(f, "secret");
        make_folder(f, "tmp", 01777);
        make_folder(f, "tmp/own", 0755);
        make_link(f, "/secret", "tmp/link");
        make_link(f, "/secret", "tmp/own/link");
        make_link(f, "own", "tmp/folder");
        make_file(f, "tmp/own/file");
        f->rules.connects = true;
        f->rules.peer = getuid();

        assert_leads(f, "/tmp/own/file", "tmp/own/file");
        assert_refused(f, "/tmp/link", ELOOP,
                       "/tmp/link is a link in or below a folder that others can write");
        assert_refused(f, "/tmp/folder/file", ELOOP,
                       "/tmp/folder is a link in or below a folder that others can write");
        /* The folder itself is root's alone; who put it there is another question. */
        assert_refused(f, "/tmp/own/link", ELOOP,
                       "/tmp/own/link is a link in or below a folder that others can write");
        /* And back above it the question stays. */
        make_link(f, "/secret", "link");
        assert_leads(f, "/link", "secret");
        assert_refused(f, "/tmp/../link", ELOOP,
                       "/tmp/../link is a link in or below a folder that others can write");
}

static void test_other_owner(void **state) {
        Fixture *f = *state;

        make_folder(f, "a", 0755);
        make_file(f, "a/x");
        f->rules.root = getuid() + 1;

        for (int connects = 0; connects < 2; connects++) {
                f->rules.connects = connects;
                f->rules.peer = PEER_UID_INVALID;
                assert_refused(f, "/a/x", 0,
                               "/ is a folder that belongs neither to root nor to PeerUser=");
                f->rules.peer = getuid() + 2;
                assert_refused(f, "/a/x", 0,
                               "/ is a folder that belongs neither to root nor to PeerUser=");
                f->rules.peer = getuid();
                assert_leads(f, "/a/x", "a/x");
        }
}

static void test_peer_folder(void **state) {
        Fixture *f = *state;

        make_file(f, "x");
        make_file(f, "y");
        make_link(f, "x", "link");
        assert_int_equal(linkat(f->root, "y", f->root, "z", 0), 0);
        f->rules.root = getuid() + 1;
        f->rules.peer = getuid();

        for (int connects = 0; connects < 2; connects++) {
                f->rules.connects = connects;
                assert_leads(f, "/x", "x");
                assert_refused(f, "/link", ELOOP,
                               "/link is a link in or below a folder that others can write");
                assert_refused(f, "/y", 0,
                               "/y has more than one name, in a folder that others can write");
        }

        /* Nobody but that user may write it, or what stands there may not be his. */
        assert_int_equal(fchmodat(f->root, ".", 0775, 0), 0);
        f->rules.connects = false;
        assert_refused(f, "/x", 0, "/ is a folder that others can write");
        f->rules.connects = true;
        assert_leads(f, "/x", "x");
}

/* In root's own folders it makes no difference how many names something has. */
static void test_second_name(void **state) {
        Fixture *f = *state;

        make_file(f, "x");
        assert_int_equal(linkat(f->root, "x", f->root, "y", 0), 0);
        assert_leads(f, "/x", "x");
        f->rules.connects = true;
        assert_leads(f, "/y", "x");
}

static void test_peer_folder_foreign_file(void **state) {
        Fixture *f = *state;

        if (getuid() != 0)
                skip();

        make_folder(f, "app", 0755);
        make_file(f, "app/own");
        make_file(f, "app/roots");
        assert_int_equal(fchownat(f->root, "app", 1234, 1234, 0), 0);
        assert_int_equal(fchownat(f->root, "app/own", 1234, 1234, 0), 0);
        f->rules.peer = 1234;

        assert_leads(f, "/app/own", "app/own");
        assert_refused(f, "/app/roots", 0,
                       "/app/roots does not belong to the user of PeerUser=, as its folder does");
        f->rules.connects = true;
        assert_leads(f, "/app/roots", "app/roots");

        /* A folder of root's that he may have put there, or that is only found by way of his. */
        make_folder(f, "app/sub", 0755);
        make_file(f, "app/sub/shadow");
        f->rules.connects = false;
        assert_int_equal(walk(f, "/app/sub/shadow"), OPENER_PATH);
        f->rules.peer = 1235;
        assert_refused(f, "/app/own", 0,
                       "/app is a folder that belongs neither to root nor to PeerUser=");
}

static void test_unreadable(void **state) {
        Fixture *f = *state;

        if (getuid() == 0)
                skip();

        make_folder(f, "a", 0755);
        make_folder(f, "a/b", 0);
        assert_refused(f, "/a/b/c", EACCES, "/a/b/c: Permission denied");
}

/* Whoever can write the folder swaps a file of his with a link to what he must not have. */
static void test_race(void **state) {
        Fixture *f = *state;
        struct stat secret;
        unsigned found = 0;
        pid_t pid;
        int status;

        make_file(f, "secret");
        make_folder(f, "tmp", 01777);
        make_file(f, "tmp/x");
        make_link(f, "/secret", "tmp/y");
        assert_int_equal(fstatat(f->root, "secret", &secret, 0), 0);
        f->rules.connects = true;
        f->rules.peer = getuid();

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                for (;;)
                        (void)renameat2(f->root, "tmp/x", f->root, "tmp/y", RENAME_EXCHANGE);

        for (int i = 0; i < 5000; i++) {
                int fd = -EBADF;

                if (opener_path_walk(&f->rules, "/tmp/x", &fd, &f->st, &f->reply) == 0) {
                        found++;
                        assert_int_not_equal(f->st.st_ino, secret.st_ino);
                        assert_true(S_ISREG(f->st.st_mode));
                } else
                        assert_int_equal(f->reply.error, ELOOP);
                close_fd(fd);
        }

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(found > 0);
}

/* A FUSE file system says what a user wants, or nothing: it is not asked. */
static void test_fuse(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int server = -EBADF, root = -EBADF;
        char path[96];

        make_folder(f, "sub", 0755);
        (void)snprintf(path, sizeof(path), "%s/sub", f->folder);
        server = fuse_leave() < 0 ? -EBADF : fuse_mount(path);
        if (server < 0)
                skip();

        root = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        f->rules.root_fd = root;
        for (int connects = 0; connects < 2; connects++) {
                f->rules.connects = connects;
                assert_refused(f, "/sub/x", 0,
                               "/sub is on a FUSE file system, which says of itself whose it is");
                assert_refused(f, "/sub", 0,
                               "/sub is on a FUSE file system, which says of itself whose it is");
        }
        assert_false(fuse_was_asked(server));
        assert_int_equal(umount2(path, MNT_DETACH), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
                cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_path, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unprintable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_count, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_targets, setup, teardown),
                cmocka_unit_test_setup_teardown(test_magic_link, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folder_others_write, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_others_write, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_owner, setup, teardown),
                cmocka_unit_test_setup_teardown(test_peer_folder, setup, teardown),
                cmocka_unit_test_setup_teardown(test_second_name, setup, teardown),
                cmocka_unit_test_setup_teardown(test_peer_folder_foreign_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_race, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fuse, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
