/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-request.h"
#include "helpers/opener-worker.h"
#include "tests/support/fds.h"
#include "tests/support/fuse.h"

/* The test is the worker, and what it brings is what one could that had been taken over. */

static OpenerReply heard;
static OpenerMounts mounts;

static OpenerWorker worker_of(Kind kind, Access access, int fd) {
        return (OpenerWorker){
                .fd = fd, .pid = getpid(), .uid = getuid(), .access = access, .kind = kind};
}

/* What the opener makes of it; size overrides the length of the message. */
static int bring(Kind kind, Access access, OpenerStatus status, int fd, ssize_t size, uid_t peer) {
        static const Definition definition = {.connect_as = CONNECT_AS_CLIENT};
        const OpenerPathRules rules = {
                .mounts = &mounts, .root_fd = -EBADF, .peer = peer, .peer_name = "somebody"};
        OpenerReply reply = {.id = 1, .status = status};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        int pair[2], got = -EBADF, r, before;
        OpenerWorker worker;
        size_t n;

        assert_int_equal(socket_pair(0, pair), 0);
        worker = worker_of(kind, access, pair[0]);
        n = opener_reply_encode(&reply, buf);
        assert_true(socket_send(pair[1], buf, size >= 0 ? (size_t)size : n, fd) >= 0);

        before = fds_count() + !mounts.table;
        heard = (OpenerReply){};
        r = opener_worker_receive(&worker, &definition, &rules, &got, &heard);
        assert_int_equal(fds_count() + !mounts.table - before, r == OPENER_OK ? 1 : 0);
        assert_int_equal(got >= 0, r == OPENER_OK);
        close_fd(got);
        opener_worker_deinit(&worker);
        close_fd(pair[1]);
        return r;
}

static int bring_fd(Kind kind, Access access, int fd) {
        return bring(kind, access, OPENER_OK, fd, -1, PEER_UID_INVALID);
}

/* A listening socket, and one that is connected to it. */
static void make_connection(int type, int *ret_listener, int *ret_connected) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t n = sizeof(address);

        *ret_listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        *ret_connected = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        /* The kernel finds an abstract name. */
        assert_int_equal(bind(*ret_listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
        assert_int_equal(listen(*ret_listener, 4), 0);
        assert_int_equal(getsockname(*ret_listener, (struct sockaddr *)&address, &n), 0);
        assert_int_equal(connect(*ret_connected, (struct sockaddr *)&address, n), 0);
}

static void test_connections(void **state) {
        _cleanup_close_ int listener = -EBADF, fd = -EBADF, packets = -EBADF, packet_fd = -EBADF,
                            alone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        make_connection(SOCK_STREAM, &listener, &fd);
        make_connection(SOCK_SEQPACKET, &packets, &packet_fd);
        assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, fd), OPENER_OK);
        assert_int_equal(bring_fd(KIND_SEQPACKET, ACCESS_FULL, packet_fd), OPENER_OK);
        assert_int_equal(bring_fd(KIND_SEQPACKET, ACCESS_FULL, fd), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, packet_fd), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, listener), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, alone), OPENER_TYPE);
        if (internet >= 0)
                assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, internet), OPENER_TYPE);

        assert_int_equal(bring(KIND_STREAM, ACCESS_FULL, OPENER_OK, fd, -1, getuid()), OPENER_OK);
        assert_int_equal(bring(KIND_STREAM, ACCESS_FULL, OPENER_OK, fd, -1, getuid() + 1),
                         OPENER_PEER_USER);
}

static void test_files(void **state) {
        char path[] = "/tmp/test-opener-worker-XXXXXX";
        _cleanup_close_ int both = mkstemp(path), reading = open(path, O_RDONLY | O_CLOEXEC),
                            writing = open(path, O_WRONLY | O_CLOEXEC),
                            no_access = open(path, O_PATH | O_CLOEXEC),
                            folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(unlink(path), 0);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_FULL, both), OPENER_OK);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, reading), OPENER_OK);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, both), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, writing), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, no_access), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, folder), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_FIFO, ACCESS_FULL, both), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_DEVICE, ACCESS_FULL, both), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_STREAM, ACCESS_FULL, both), OPENER_TYPE);
        assert_int_equal(bring_fd(KIND_TAP, ACCESS_FULL, both), OPENER_TYPE);
}

/* What is no answer of its worker. */
static void test_messages(void **state) {
        _cleanup_close_ int fd = open("/", O_RDONLY | O_CLOEXEC);

        assert_int_equal(bring_fd(KIND_FILE, ACCESS_FULL, -EBADF), OPENER_DISTURBED);
        assert_int_equal(bring(KIND_FILE, ACCESS_FULL, OPENER_OPEN, fd, -1, 0), OPENER_DISTURBED);
        assert_int_equal(bring(KIND_FILE, ACCESS_FULL, OPENER_OK, fd, 5, 0), OPENER_DISTURBED);
        assert_int_equal(bring(KIND_FILE, ACCESS_FULL, OPENER_OPEN, -EBADF, 1, 0),
                         OPENER_DISTURBED);
        assert_int_equal(heard.error, EPROTO);
        assert_int_equal(bring(KIND_FILE, ACCESS_FULL, OPENER_OPEN, -EBADF, -1, 0), OPENER_OPEN);
}

/* Who sends it: another process, or one that has not become who it was to be. */
static void test_senders(void **state) {
        static const Definition definition = {.connect_as = CONNECT_AS_CLIENT};
        const OpenerPathRules rules = {
                .mounts = &mounts, .root_fd = -EBADF, .peer = PEER_UID_INVALID};

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_close_ int listener = -EBADF, fd = -EBADF;
                OpenerReply reply = {.id = 1, .status = OPENER_OK};
                int pair[2], got = -EBADF, r;
                OpenerWorker worker;

                make_connection(SOCK_STREAM, &listener, &fd);
                assert_int_equal(socket_pair(0, pair), 0);
                worker = worker_of(KIND_STREAM, ACCESS_FULL, pair[0]);
                worker.pid += i == 1;
                worker.uid += i == 2;
                assert_int_equal(opener_worker_receive(&worker, &definition, &rules, &got, &reply),
                                 0);
                assert_int_equal(opener_request_answer(pair[1], &reply, fd), 0);
                r = opener_worker_receive(&worker, &definition, &rules, &got, &reply);
                assert_int_equal(r, i == 0 ? OPENER_OK : OPENER_DISTURBED);
                close_fd(got);

                close_fd(pair[1]);
                got = -EBADF;
                r = opener_worker_receive(&worker, &definition, &rules, &got, &reply);
                assert_int_equal(r, OPENER_DISTURBED);
                assert_int_equal(reply.error, ECONNABORTED);
                assert_int_equal(opener_worker_expire(&worker, &reply), OPENER_DISTURBED);
                assert_int_equal(reply.error, ETIMEDOUT);
                opener_worker_deinit(&worker);
        }
}

/* A file that its user serves would have the opener wait for that user: it is not asked. */
static void test_fuse(void **state) {
        char path[] = "/tmp/test-opener-worker-XXXXXX";
        _cleanup_close_ int server = -EBADF, fd = -EBADF;

        assert_non_null(mkdtemp(path));
        server = fuse_leave() < 0 ? -EBADF : fuse_mount(path);
        if (server < 0) {
                (void)rmdir(path);
                skip();
        }

        opener_mounts_deinit(&mounts);
        fd = open(path, O_PATH | O_CLOEXEC);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, fd), OPENER_TYPE);
        assert_string_equal(heard.detail, "what was opened is on a FUSE file system, which says of "
                                          "itself whose it is");
        assert_false(fuse_was_asked(server));
        assert_int_equal(umount2(path, MNT_DETACH), 0);
        assert_int_equal(rmdir(path), 0);
}

/* Nor what is no file of any file system that is mounted here. */
static void test_nowhere(void **state) {
        _cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC);

        assert_int_equal(bring_fd(KIND_FILE, ACCESS_FULL, fd), OPENER_TYPE);
        assert_int_equal(heard.error, ENOENT);
}

static int teardown(void **state) {
        opener_mounts_deinit(&mounts);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections), cmocka_unit_test(test_files),
                cmocka_unit_test(test_messages),    cmocka_unit_test(test_senders),
                cmocka_unit_test(test_nowhere),     cmocka_unit_test(test_fuse),
        };

        return cmocka_run_group_tests(tests, NULL, teardown);
}
