/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <termios.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-place.h"
#include "tests/support/fds.h"

typedef struct Fixture {
        char folder[64];
        int root;
        OpenerMounts mounts;
        OpenerPathRules rules;
        Definition definition;
        Target target;
        char *paths[4];
        OpenerPlace place;
        OpenerReply reply;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-opener-place-XXXXXX");
        if (!mkdtemp(f->folder) || chmod(f->folder, 0755) < 0)
                return -1;
        f->root = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        f->rules = (OpenerPathRules){
                .mounts = &f->mounts, .root_fd = f->root, .root = getuid(), .peer = getuid()};
        f->target = (Target){.provided = true, .paths = f->paths};
        f->place = (OpenerPlace)OPENER_PLACE_NULL;
        *state = f;
        return f->root < 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void)nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        opener_place_deinit(&f->place);
        opener_mounts_deinit(&f->mounts);
        close_fd(f->root);
        free(f);
        return 0;
}

static int find(Fixture *f, Kind kind, const char *a, const char *b) {
        char first[128], second[128];

        (void)snprintf(first, sizeof(first), "%s", a);
        (void)snprintf(second, sizeof(second), "%s", b ?: "");
        f->paths[0] = first;
        f->paths[1] = b ? second : NULL;
        f->target.kind = kind;
        f->reply = (OpenerReply){};
        return opener_place_find(&f->place, &f->definition, &f->target, "", &f->rules, &f->reply);
}

static void assert_found(Fixture *f, Kind kind, const char *a, const char *b, const char *which) {
        assert_int_equal(find(f, kind, a, b), 0);
        assert_string_equal(f->place.path, which);
        assert_int_equal(f->place.kind, kind);
}

static void assert_refused(Fixture *f, OpenerStatus status, int error, const char *detail) {
        assert_int_equal(f->reply.status, status);
        assert_int_equal(f->reply.error, error);
        assert_string_equal(f->reply.detail, detail);
        assert_int_equal(f->place.fd, -EBADF);
        assert_null(f->place.path);
}

static void make_file(Fixture *f, const char *path, const char *text) {
        int fd = openat(f->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close_fd(fd);
}

/* A socket that listens, at a path of the tree or under an abstract name. */
static int make_listener(Fixture *f, int type, const char *path, int backlog) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), n;
        struct sockaddr_un address;
        char full[128];

        (void)snprintf(full, sizeof(full), "%s%s", path[0] == '@' ? "" : f->folder, path);
        n = socket_address(full, &address);
        assert_true(fd >= 0 && n > 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        if (backlog >= 0)
                assert_int_equal(listen(fd, backlog), 0);
        return fd;
}

static void test_first_that_exists(void **state) {
        Fixture *f = *state;

        make_file(f, "a", "");
        make_file(f, "b", "");
        assert_found(f, KIND_FILE, "/a", "/b", "/a");
        assert_found(f, KIND_FILE, "/none", "/b", "/b");
        assert_found(f, KIND_FILE, "/none/at/all", "/b", "/b");
        opener_place_deinit(&f->place);

        assert_int_equal(find(f, KIND_FILE, "/none", "/neither"), OPENER_PATH);
        assert_refused(f, OPENER_PATH, ENOENT, "/neither does not exist");

        /* What exists and is wrong is not passed over. */
        assert_int_equal(find(f, KIND_FIFO, "/a", "/b"), OPENER_TYPE);
        assert_refused(f, OPENER_TYPE, 0,
                       "/a is a file, which does not go with the definition's fifo");
        assert_int_equal(find(f, KIND_FILE, "/a/x", "/b"), OPENER_PATH);
        assert_refused(f, OPENER_PATH, ENOTDIR, "/a is not a folder");
        assert_int_equal(symlinkat("loop", f->root, "loop"), 0);
        assert_int_equal(find(f, KIND_FILE, "/loop", "/b"), OPENER_PATH);
        assert_refused(f, OPENER_PATH, ELOOP, "/loop is one link too many");
}

static void test_no_paths(void **state) {
        Fixture *f = *state;

        f->paths[0] = NULL;
        f->target.kind = KIND_FILE;
        assert_int_equal(
                opener_place_find(&f->place, &f->definition, &f->target, "", &f->rules, &f->reply),
                OPENER_PATH);
        f->target.paths = NULL;
        assert_int_equal(
                opener_place_find(&f->place, &f->definition, &f->target, "", &f->rules, &f->reply),
                OPENER_PATH);
}

static void test_instance(void **state) {
        Fixture *f = *state;
        char path[] = "/dev-%i";

        make_file(f, "dev-x", "");
        f->paths[0] = path;
        f->target.kind = KIND_FILE;
        assert_int_equal(
                opener_place_find(&f->place, &f->definition, &f->target, "x", &f->rules, &f->reply),
                0);
        assert_string_equal(f->place.path, "/dev-x");
}

static void test_types(void **state) {
        static const Kind kinds[] = {KIND_STREAM, KIND_SEQPACKET, KIND_DEVICE,
                                     KIND_FIFO,   KIND_FILE,      KIND_TAP};
        Fixture *f = *state;
        _unused_ _cleanup_close_ int listener = make_listener(f, SOCK_STREAM, "/socket", 1);

        make_file(f, "file", "");
        assert_int_equal(mkfifoat(f->root, "fifo", 0600), 0);
        assert_int_equal(mkdirat(f->root, "folder", 0755), 0);

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                Kind kind = kinds[i];
                bool connects = kind == KIND_STREAM || kind == KIND_SEQPACKET;

                assert_int_equal(find(f, kind, "/socket", NULL), connects ? 0 : OPENER_TYPE);
                assert_int_equal(find(f, kind, "/file", NULL), kind == KIND_FILE ? 0 : OPENER_TYPE);
                assert_int_equal(find(f, kind, "/fifo", NULL), kind == KIND_FIFO ? 0 : OPENER_TYPE);
                assert_int_equal(find(f, kind, "/folder", NULL), OPENER_TYPE);
        }
}

/* The machine's own /dev/null, walked to as it is in earnest. */
static void test_device(void **state) {
        Fixture *f = *state;
        DeviceClass mem[] = {{.type = S_IFCHR, .driver = (char[]){"mem"}}, {}};
        DeviceClass misc[] = {{.type = S_IFCHR, .driver = (char[]){"misc"}}, {}};
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = -EBADF;

        if (access("/dev/null", R_OK | W_OK) < 0)
                skip();

        f->rules = (OpenerPathRules){.mounts = &f->mounts, .root_fd = root};
        /* A definition that names no driver has none. */
        assert_int_equal(find(f, KIND_DEVICE, "/dev/null", NULL), OPENER_TYPE);
        f->definition.devices = mem;
        assert_found(f, KIND_DEVICE, "/dev/null", NULL, "/dev/null");
        assert_int_equal(opener_place_open(&f->place, ACCESS_FULL, &fd, &f->reply), 0);
        assert_int_equal(write(fd, "x", 1), 1);
        fd = close_fd(fd);
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(errno, EBADF);
        close_fd(fd);

        opener_place_deinit(&f->place);
        f->definition.devices = misc;
        assert_int_equal(find(f, KIND_DEVICE, "/dev/null", NULL), OPENER_TYPE);
        assert_refused(f, OPENER_TYPE, 0,
                       "/dev/null (char 1:3) is not a device of the definition's Device=");
}

/* A line of our own, whose setting outlives who has made it. */
static void test_hangup_on_close(void **state) {
        DeviceClass classes[] = {{.type = S_IFCHR, .driver = (char[]){"pts"}},
                                 {.type = S_IFCHR, .driver = (char[]){"mem"}},
                                 {}};
        Fixture *f = *state;
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), fd = -EBADF;
        struct termios modes;

        assert_int_equal(grantpt(master), 0);
        assert_int_equal(unlockpt(master), 0);
        assert_int_equal(tcgetattr(master, &modes), 0);
        modes.c_cflag |= HUPCL;
        assert_int_equal(tcsetattr(master, TCSANOW, &modes), 0);

        f->rules = (OpenerPathRules){.mounts = &f->mounts, .root_fd = root, .peer = getuid()};
        f->definition.devices = classes;
        assert_found(f, KIND_DEVICE, ptsname(master), NULL, ptsname(master));
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_int_equal(tcgetattr(master, &modes), 0);
        assert_true(modes.c_cflag & HUPCL);
        fd = close_fd(fd);

        f->definition.keeps_line = true;
        assert_found(f, KIND_DEVICE, ptsname(master), NULL, ptsname(master));
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        fd = close_fd(fd);
        assert_int_equal(tcgetattr(master, &modes), 0);
        assert_false(modes.c_cflag & HUPCL);

        assert_found(f, KIND_DEVICE, "/dev/null", NULL, "/dev/null");
        assert_int_equal(opener_place_open(&f->place, ACCESS_FULL, &fd, &f->reply), OPENER_TYPE);
        assert_string_equal(f->reply.detail,
                            "/dev/null is no terminal line, which HangupOnClose=no is for");
}

static void assert_handed_over(int fd, int mode) {
        int flags = fcntl(fd, F_GETFL);

        assert_int_equal(flags & O_ACCMODE, mode);
        assert_false(flags & (O_NONBLOCK | O_PATH));
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void test_open_file(void **state) {
        Fixture *f = *state;
        int fd = -EBADF;
        char c;

        make_file(f, "log", "abc");
        assert_found(f, KIND_FILE, "/log", NULL, "/log");
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_handed_over(fd, O_RDONLY);
        assert_int_equal(read(fd, &c, 1), 1);
        assert_int_equal(c, 'a');
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(ftruncate(fd, 0), -1);
        close_fd(fd);

        assert_int_equal(opener_place_open(&f->place, ACCESS_FULL, &fd, &f->reply), 0);
        assert_handed_over(fd, O_RDWR);
        close_fd(fd);

        /* What was found is what is opened, whatever is called so by then. */
        assert_int_equal(unlinkat(f->root, "log", 0), 0);
        make_file(f, "log", "xyz");
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_int_equal(read(fd, &c, 1), 1);
        assert_int_equal(c, 'a');
        close_fd(fd);
}

static void test_open_fifo(void **state) {
        Fixture *f = *state;
        int fd = -EBADF;

        assert_int_equal(mkfifoat(f->root, "fifo", 0600), 0);
        assert_found(f, KIND_FIFO, "/fifo", NULL, "/fifo");
        /* Neither waits for the other end. */
        assert_int_equal(opener_place_open(&f->place, ACCESS_READ_ONLY, &fd, &f->reply), 0);
        assert_handed_over(fd, O_RDONLY);
        close_fd(fd);
        assert_int_equal(opener_place_open(&f->place, ACCESS_FULL, &fd, &f->reply), 0);
        assert_handed_over(fd, O_RDWR);
        close_fd(fd);
}

static void test_open_refused(void **state) {
        Fixture *f = *state;
        size_t before;
        int fd = -EBADF;

        if (getuid() == 0)
                skip();

        make_file(f, "log", "abc");
        assert_int_equal(fchmodat(f->root, "log", 0400, 0), 0);
        assert_found(f, KIND_FILE, "/log", NULL, "/log");
        before = fds_count();
        assert_int_equal(opener_place_open(&f->place, ACCESS_FULL, &fd, &f->reply), OPENER_OPEN);
        assert_int_equal(fds_count(), before);
        assert_int_equal(fd, -EBADF);
        assert_int_equal(f->reply.error, EACCES);
        assert_string_equal(f->reply.detail, "/log: Permission denied");
}

static void test_connect(void **state) {
        static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
        static const char *const paths[] = {"/stream", "/seqpacket"};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_close_ int listener = make_listener(f, types[i], paths[i], 1), fd = -EBADF;
                _cleanup_close_ int accepted = -EBADF;
                char c;

                assert_found(f, i == 0 ? KIND_STREAM : KIND_SEQPACKET, paths[i], NULL, paths[i]);
                assert_int_equal(opener_place_socket(&f->place, &fd, &f->reply), 0);
                assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply), 0);
                assert_handed_over(fd, O_RDWR);
                accepted = accept(listener, NULL, NULL);
                assert_int_equal(write(fd, "x", 1), 1);
                assert_int_equal(read(accepted, &c, 1), 1);
        }
}

static void test_connect_type(void **state) {
        Fixture *f = *state;
        _unused_ _cleanup_close_ int listener = make_listener(f, SOCK_SEQPACKET, "/socket", 1);
        _unused_ _cleanup_close_ int datagram = make_listener(f, SOCK_DGRAM, "/datagram", -1);
        _cleanup_close_ int fd = -EBADF;

        assert_found(f, KIND_STREAM, "/socket", NULL, "/socket");
        assert_int_equal(opener_place_socket(&f->place, &fd, &f->reply), 0);
        assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply), OPENER_TYPE);
        assert_string_equal(f->reply.detail, "/socket is not a stream socket");

        assert_found(f, KIND_STREAM, "/datagram", NULL, "/datagram");
        assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply), OPENER_TYPE);
}

static void test_connect_refused(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        close_fd(make_listener(f, SOCK_STREAM, "/socket", 1));
        assert_found(f, KIND_STREAM, "/socket", NULL, "/socket");
        assert_int_equal(opener_place_socket(&f->place, &fd, &f->reply), 0);
        assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply), OPENER_OPEN);
        assert_int_equal(f->reply.error, ECONNREFUSED);
        assert_string_equal(f->reply.detail, "/socket: Connection refused");
}

static void test_connect_peer(void **state) {
        Fixture *f = *state;
        _unused_ _cleanup_close_ int listener = make_listener(f, SOCK_STREAM, "/socket", 4);
        _cleanup_close_ int fd = -EBADF, any = -EBADF;
        char detail[128];

        assert_found(f, KIND_STREAM, "/socket", NULL, "/socket");
        assert_int_equal(opener_place_socket(&f->place, &fd, &f->reply), 0);
        f->rules.peer = getuid() + 1;
        f->rules.peer_name = "carol";
        assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply),
                         OPENER_PEER_USER);
        (void)snprintf(detail, sizeof(detail),
                       "/socket was made by uid %u, and not by PeerUser=carol", (unsigned)getuid());
        assert_string_equal(f->reply.detail, detail);

        assert_int_equal(opener_place_socket(&f->place, &any, &f->reply), 0);
        f->rules.peer = PEER_UID_INVALID;
        assert_int_equal(opener_place_connect(&f->place, any, &f->rules, &f->reply), 0);
}

static void test_connect_queue(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int listener = make_listener(f, SOCK_STREAM, "/socket", 0);
        _cleanup_close_ int first = -EBADF, second = -EBADF, accepted = -EBADF;

        assert_found(f, KIND_STREAM, "/socket", NULL, "/socket");
        assert_int_equal(opener_place_socket(&f->place, &first, &f->reply), 0);
        assert_int_equal(opener_place_connect(&f->place, first, &f->rules, &f->reply), 0);
        assert_int_equal(opener_place_socket(&f->place, &second, &f->reply), 0);
        assert_int_equal(opener_place_connect(&f->place, second, &f->rules, &f->reply), -EAGAIN);
        assert_int_equal(opener_place_connect(&f->place, second, &f->rules, &f->reply), -EAGAIN);

        accepted = accept(listener, NULL, NULL);
        assert_true(accepted >= 0);
        assert_int_equal(opener_place_connect(&f->place, second, &f->rules, &f->reply), 0);
        assert_handed_over(second, O_RDWR);
}

static void test_abstract(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int listener = -EBADF, fd = -EBADF;
        char name[96];

        (void)snprintf(name, sizeof(name), "@%s", f->folder);
        listener = make_listener(f, SOCK_STREAM, name, 1);
        assert_found(f, KIND_STREAM, name, NULL, name);
        assert_int_equal(f->place.fd, -EBADF);
        assert_int_equal(opener_place_socket(&f->place, &fd, &f->reply), 0);
        assert_int_equal(opener_place_connect(&f->place, fd, &f->rules, &f->reply), 0);
        opener_place_deinit(&f->place);

        assert_int_equal(find(f, KIND_FILE, name, NULL), OPENER_TYPE);
}

static void test_leaks(void **state) {
        Fixture *f = *state;
        int before = fds_count() + !f->mounts.table;

        make_file(f, "file", "");
        for (int i = 0; i < 100; i++) {
                assert_int_equal(find(f, KIND_FILE, "/file", NULL), 0);
                assert_int_equal(find(f, KIND_FIFO, "/file", NULL), OPENER_TYPE);
                assert_int_equal(find(f, KIND_FILE, "/none", "/neither"), OPENER_PATH);
        }
        opener_place_deinit(&f->place);
        assert_int_equal(fds_count(), before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_first_that_exists, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_paths, setup, teardown),
                cmocka_unit_test_setup_teardown(test_instance, setup, teardown),
                cmocka_unit_test_setup_teardown(test_types, setup, teardown),
                cmocka_unit_test_setup_teardown(test_device, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hangup_on_close, setup, teardown),
                cmocka_unit_test_setup_teardown(test_open_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_open_fifo, setup, teardown),
                cmocka_unit_test_setup_teardown(test_open_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect_type, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect_peer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(test_abstract, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leaks, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
