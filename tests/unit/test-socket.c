/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "tests/support/fds.h"

static unsigned n_before;

static int setup(void **state) {
        n_before = fds_count();
        return 0;
}

static int teardown(void **state) {
        assert_int_equal(fds_count(), n_before);
        return 0;
}

static void make_pair(int type, int pair[2]) {
        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(int pair[2]) {
        close_fd(pair[0]);
        close_fd(pair[1]);
}

/* Addresses. */

static void test_address(void **state) {
        struct sockaddr_un address;
        char path[sizeof(address.sun_path) + 1];
        int base = offsetof(struct sockaddr_un, sun_path);

        assert_int_equal(socket_address("/run/x", &address), base + 7);
        assert_int_equal(address.sun_family, AF_UNIX);
        assert_string_equal(address.sun_path, "/run/x");

        /* An abstract name has no NUL at its end: one would be part of it. */
        assert_int_equal(socket_address("@name", &address), base + 5);
        assert_memory_equal(address.sun_path, "\0name", 5);
        assert_int_equal(socket_address("@", &address), base + 1);

        assert_int_equal(socket_address("", &address), -ENAMETOOLONG);
        memset(path, 'x', sizeof(path));
        path[sizeof(address.sun_path)] = 0;
        assert_int_equal(socket_address(path, &address), -ENAMETOOLONG);
        path[sizeof(address.sun_path) - 1] = 0;
        assert_int_equal(socket_address(path, &address), base + (int)sizeof(address.sun_path));
        assert_int_equal(address.sun_path[sizeof(address.sun_path) - 1], 0);
}

/* What is none is not of any kind, whatever the value. */
static void test_option(void **state) {
        int pair[2], file;

        make_pair(SOCK_STREAM, pair);
        assert_true(socket_option_is(pair[0], SO_DOMAIN, AF_UNIX));
        assert_true(socket_option_is(pair[0], SO_TYPE, SOCK_STREAM));
        assert_false(socket_option_is(pair[0], SO_TYPE, SOCK_SEQPACKET));
        assert_true(socket_option_is(pair[0], SO_ACCEPTCONN, 0));
        assert_false(socket_option_is(pair[0], SO_ACCEPTCONN, 1));
        close_pair(pair);

        file = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_true(file >= 0);
        assert_false(socket_option_is(file, SO_ACCEPTCONN, -1));
        assert_false(socket_option_is(file, SO_ACCEPTCONN, 0));
        close_fd(file);
}

/* Sending and receiving. */

/* n descriptors of /dev/zero with one byte, in one control message. */
static void send_fds(int fd, size_t n) {
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(253 * sizeof(int))];
        } control = {};
        struct iovec iov = {.iov_base = (char[]){'x'}, .iov_len = 1};
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.data,
                .msg_controllen = CMSG_SPACE(n * sizeof(int)),
        };
        int null_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
        for (size_t i = 0; i < n; i++)
                memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &null_fd, sizeof(int));
        assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), 1);
        close_fd(null_fd);
}

static void test_bytes(void **state) {
        SocketAncillary ancillary;
        char buf[16];
        int pair[2];

        make_pair(SOCK_STREAM, pair);
        assert_int_equal(socket_send(pair[0], "hello", 5, -EBADF), 5);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 5);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(ancillary.n_fds, 0);
        assert_false(ancillary.has_credentials);

        /* The end is told from nothing yet. */
        assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), -EAGAIN);
        pair[0] = close_fd(pair[0]);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 0);
        close_pair(pair);
}

static void test_no_sigpipe(void **state) {
        int pair[2];

        assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
        make_pair(SOCK_STREAM, pair);
        pair[1] = close_fd(pair[1]);
        assert_int_equal(socket_send(pair[0], "x", 1, -EBADF), -EPIPE);
        close_pair(pair);
}

static void test_bad_descriptor(void **state) {
        SocketAncillary ancillary = {.n_fds = 77};
        char buf[16];
        int pair[2];

        assert_int_equal(socket_send(-EBADF, "x", 1, -EBADF), -EBADF);
        assert_int_equal(socket_receive(-EBADF, buf, sizeof(buf), 0, &ancillary), -EBADF);
        assert_int_equal(socket_set_passcred(-EBADF), -EBADF);
        assert_int_equal(ancillary.n_fds, 77);

        /* A descriptor that is none cannot be passed. */
        make_pair(SOCK_STREAM, pair);
        assert_int_equal(socket_send(pair[0], "x", 1, 100000), -EBADF);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), SOCKET_FDS_MAX + 1, &ancillary),
                         -EINVAL);
        close_pair(pair);
}

static void test_descriptor(void **state) {
        int pair[2], null_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        SocketAncillary ancillary;
        char buf[16];

        make_pair(SOCK_SEQPACKET, pair);
        assert_int_equal(socket_send(pair[0], "x", 1, null_fd), 1);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 1);
        assert_int_equal(ancillary.n_fds, 1);
        assert_int_equal(fcntl(ancillary.fds[0], F_GETFD), FD_CLOEXEC);
        close_fd(ancillary.fds[0]);
        close_fd(null_fd);
        close_pair(pair);
}

/* Whatever number was sent and whatever was wanted, with credentials beside them or without: what
 * is not wanted is an error, and no descriptor stays behind. */
static void test_descriptor_floods(void **state) {
        static const size_t sent[] = {1, 2, 3, 4, 5, 6, 8, 64, 253};
        static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

        for (size_t i = 0; i < ELEMENTSOF(sent) * ELEMENTSOF(types) * 2; i++) {
                int type = types[i / 2 % ELEMENTSOF(types)];
                size_t n = sent[i / 2 / ELEMENTSOF(types)];

                for (size_t want = 0; want <= SOCKET_FDS_MAX; want++) {
                        SocketAncillary ancillary = {.n_fds = 77};
                        char buf[16];
                        int pair[2];
                        ssize_t r;

                        make_pair(type, pair);
                        if (i % 2)
                                assert_int_equal(socket_set_passcred(pair[1]), 0);
                        send_fds(pair[0], n);
                        r = socket_receive(pair[1], buf, sizeof(buf), want, &ancillary);
                        if (n <= want) {
                                assert_int_equal(r, 1);
                                assert_int_equal(ancillary.n_fds, n);
                                assert_int_equal(ancillary.has_credentials, i % 2);
                                for (size_t j = 0; j < n; j++)
                                        close_fd(ancillary.fds[j]);
                        } else {
                                assert_int_equal(r, -EBADMSG);
                                assert_int_equal(ancillary.n_fds, 77);
                        }
                        close_pair(pair);
                        assert_int_equal(fds_count(), n_before);
                }
        }
}

/* A message that is longer than the buffer is an error, not a shorter message. */
static void test_truncated_message(void **state) {
        SocketAncillary ancillary;
        int pair[2], null_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        char buf[4];

        make_pair(SOCK_SEQPACKET, pair);
        assert_int_equal(socket_send(pair[0], "12345", 5, null_fd), 5);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), -EBADMSG);
        assert_int_equal(socket_send(pair[0], "1234", 4, null_fd), 4);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 4);
        close_fd(ancillary.fds[0]);
        close_fd(null_fd);
        close_pair(pair);
}

/* A read ends at bytes that came with descriptors, so they are not mistaken for others'. */
static void test_reads_end_at_descriptors(void **state) {
        SocketAncillary ancillary;
        char buf[64];
        int pair[2];

        make_pair(SOCK_STREAM, pair);
        assert_int_equal(socket_send(pair[0], "abc", 3, -EBADF), 3);
        send_fds(pair[0], 1);
        assert_int_equal(socket_send(pair[0], "def", 3, -EBADF), 3);

        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 4);
        assert_memory_equal(buf, "abcx", 4);
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 1, &ancillary), 3);
        assert_int_equal(ancillary.n_fds, 0);
        close_pair(pair);
}

/* Credentials. */

static void test_credentials(void **state) {
        SocketAncillary ancillary;
        int pair[2], status;
        char buf[16];
        pid_t pid;

        make_pair(SOCK_STREAM, pair);
        assert_int_equal(socket_set_passcred(pair[1]), 0);

        assert_int_equal(socket_send(pair[0], "x", 1, -EBADF), 1);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 0, &ancillary), 1);
        assert_true(ancillary.has_credentials);
        assert_int_equal(ancillary.credentials.pid, getpid());
        assert_int_equal(ancillary.credentials.uid, getuid());
        assert_int_equal(ancillary.credentials.gid, getgid());

        /* They are the sender's, whoever made the socket. */
        pid = fork();
        if (pid == 0)
                _exit(socket_send(pair[0], "y", 1, -EBADF) == 1 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 0, &ancillary), 1);
        assert_int_equal(ancillary.credentials.pid, pid);
        close_pair(pair);
}

/* The bytes of two senders are never one read's. */
static void test_senders_stay_apart(void **state) {
        SocketAncillary ancillary;
        int pair[2], status;
        char buf[16];
        pid_t pid;

        make_pair(SOCK_STREAM, pair);
        assert_int_equal(socket_set_passcred(pair[1]), 0);
        assert_int_equal(socket_send(pair[0], "mine", 4, -EBADF), 4);
        pid = fork();
        if (pid == 0)
                _exit(socket_send(pair[0], "theirs", 6, -EBADF) == 6 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);

        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 0, &ancillary), 4);
        assert_int_equal(ancillary.credentials.pid, getpid());
        assert_int_equal(socket_receive(pair[1], buf, sizeof(buf), 0, &ancillary), 6);
        assert_int_equal(ancillary.credentials.pid, pid);
        close_pair(pair);
}

/* What a connection sent before it was accepted has its sender, if the listener wanted them. */
static void test_credentials_of_early_bytes(void **state) {
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client, server;
        struct sockaddr_un address;
        SocketAncillary ancillary;
        char name[64], buf[16];
        int n;

        (void)snprintf(name, sizeof(name), "@doorward-test-%d", (int)getpid());
        n = socket_address(name, &address);
        assert_int_equal(socket_set_passcred(listener), 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(listen(listener, 1), 0);

        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(socket_send(client, "early", 5, -EBADF), 5);
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(socket_receive(server, buf, sizeof(buf), 0, &ancillary), 5);
        assert_true(ancillary.has_credentials);
        assert_int_equal(ancillary.credentials.pid, getpid());

        close_fd(server);
        close_fd(client);
        close_fd(listener);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_address),
                TEST(test_option),
                TEST(test_bytes),
                TEST(test_no_sigpipe),
                TEST(test_bad_descriptor),
                TEST(test_descriptor),
                TEST(test_descriptor_floods),
                TEST(test_truncated_message),
                TEST(test_reads_end_at_descriptors),
                TEST(test_credentials),
                TEST(test_senders_stay_apart),
                TEST(test_credentials_of_early_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
