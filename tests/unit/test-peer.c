/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"

/* A listener under an abstract name, and children that connect to it. */
typedef struct Listener {
        int fd;
        struct sockaddr_un address;
        socklen_t n;
} Listener;

static Listener listen_here(void) {
        Listener l = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        char name[64];

        (void)snprintf(name, sizeof(name), "@doorward-test-peer-%d", (int)getpid());
        l.n = (socklen_t)socket_address(name, &l.address);
        assert_int_equal(socket_set_passcred(l.fd), 0);
        assert_int_equal(bind(l.fd, (struct sockaddr *)&l.address, l.n), 0);
        assert_int_equal(listen(l.fd, 8), 0);
        return l;
}

typedef struct Child {
        pid_t pid;
        int fd;   /* its connection, as accepted */
        int stay; /* closed: it ends */
} Child;

typedef int (*Prepare)(void);

static int child_run(const Listener *l, Prepare prepare, int stay) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char c;

        if (prepare && prepare() != 0)
                return 77;
        if (connect(fd, (const struct sockaddr *)&l->address, l->n) < 0)
                return 1;
        return (int)read(stay, &c, 1);
}

/* A child that prepares, connects and stays until it is told. fd is negative if it could not
 * prepare. */
static Child child_start(const Listener *l, Prepare prepare) {
        Child child = {.fd = -EBADF};
        int stay[2];

        assert_int_equal(pipe2(stay, O_CLOEXEC), 0);
        child.pid = fork();
        if (child.pid == 0) {
                close_fd(stay[1]);
                _exit(child_run(l, prepare, stay[0]));
        }

        close_fd(stay[0]);
        child.stay = stay[1];
        assert_int_equal(fcntl(l->fd, F_SETFL, O_NONBLOCK), 0);
        while (child.fd < 0 && waitpid(child.pid, NULL, WNOHANG) == 0) {
                child.fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
                (void)usleep(1000);
        }

        return child;
}

/* Ends it; it stays a zombie until it is reaped. */
static void child_end(Child *child, bool reap) {
        siginfo_t info;

        child->stay = close_fd(child->stay);
        assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | (reap ? 0 : WNOWAIT)), 0);
}

static bool kernel_has_peerpidfd(void) {
        int pair[2], pidfd = -EBADF, r;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        r = peer_get_pidfd(pair[0], &pidfd);
        close_fd(pidfd);
        close_fd(pair[0]);
        close_fd(pair[1]);
        return r == 0;
}

/* Live peers. */

static void check_live(bool use_peerpidfd) {
        Listener l = listen_here();
        Child child = child_start(&l, NULL);
        bool foreign = true;
        uint64_t start_time = 0, again = 0;
        Peer peer = PEER_NULL;

        assert_int_equal(peer_init(&peer, child.fd, use_peerpidfd), 0);
        assert_int_equal(peer.pid, child.pid);
        assert_int_equal(peer.uid, geteuid());
        assert_int_equal(peer.gid, getegid());
        assert_int_equal(peer.proven, use_peerpidfd && kernel_has_peerpidfd());
        assert_true(peer.pidfd >= 0);
        assert_int_equal(fcntl(peer.pidfd, F_GETFD), FD_CLOEXEC);
        assert_true(peer_is_alive(&peer));

        assert_int_equal(peer_get_start_time(&peer, &start_time), 0);
        assert_true(start_time > 0);
        assert_int_equal(peer_get_start_time(&peer, &again), 0);
        assert_int_equal(start_time, again);
        assert_int_equal(peer_get_foreign_pid(&peer, &foreign), 0);
        assert_false(foreign);
        assert_int_equal(peer_get_foreign_user(&peer, &foreign), 0);

        /* Ended, and still in the table of processes. */
        child_end(&child, false);
        assert_false(peer_is_alive(&peer));

        /* Ended for good: its number is nobody's, or somebody else's. */
        child_end(&child, true);
        assert_false(peer_is_alive(&peer));
        again = 77;
        assert_int_equal(peer_get_start_time(&peer, &again), PEER_E_GONE);
        assert_int_equal(peer_get_foreign_user(&peer, &foreign), PEER_E_GONE);
        assert_int_equal(peer_get_foreign_pid(&peer, &foreign), PEER_E_GONE);
        assert_int_equal(again, 77);

        peer_deinit(&peer);
        assert_int_equal(peer.pidfd, -EBADF);
        assert_int_equal(peer.uid, PEER_UID_INVALID);
        assert_int_equal(peer.pid, 0);
        assert_false(peer_is_alive(&peer));
        peer_deinit(&peer);
        close_fd(child.fd);
        close_fd(l.fd);
}

static void test_live(void **state) {
        check_live(true);
        check_live(false);
}

/* Dead ones. */

static void check_dead(bool use_peerpidfd, bool reap) {
        Listener l = listen_here();
        Child child = child_start(&l, NULL);
        Peer peer = {.uid = 77, .pid = 78, .pidfd = -EBADF};

        child_end(&child, reap);
        assert_int_equal(peer_init(&peer, child.fd, use_peerpidfd), PEER_E_GONE);
        assert_int_equal(peer.uid, 77);
        assert_int_equal(peer.pid, 78);
        assert_int_equal(peer.pidfd, -EBADF);

        if (!reap)
                child_end(&child, true);
        close_fd(child.fd);
        close_fd(l.fd);
}

static void test_dead(void **state) {
        check_dead(true, false);
        check_dead(true, true);
        check_dead(false, false);
        check_dead(false, true);
}

static void test_no_socket(void **state) {
        struct ucred credentials = {.pid = 77};
        Peer peer = PEER_NULL;
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), pidfd = 77;

        assert_int_equal(peer_init(&peer, fd, true), -ENOTSOCK);
        assert_int_equal(peer_init(&peer, -EBADF, true), -EBADF);
        assert_int_equal(peer_get_credentials(fd, &credentials), -ENOTSOCK);
        assert_int_equal(peer_get_pidfd(fd, &pidfd), -ENOTSOCK);
        assert_int_equal(credentials.pid, 77);
        assert_int_equal(pidfd, 77);
        close_fd(fd);

        /* Connected to nobody: no pid, no uid. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(peer_init(&peer, fd, true), PEER_E_REFUSED);
        assert_int_equal(peer_get_credentials(fd, &credentials), PEER_E_REFUSED);
        assert_int_equal(peer.pid, 0);
        close_fd(fd);
}

/* Who writes. */

/* A child that inherited the connection is not the peer, although the socket says that it is. */
static void test_sender(void **state) {
        SocketAncillary ancillary;
        Peer peer = PEER_NULL;
        int pair[2], status;
        char c;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(socket_set_passcred(pair[0]), 0);
        assert_int_equal(peer_init(&peer, pair[0], true), 0);
        assert_int_equal(peer.pid, getpid());

        assert_int_equal(socket_send(pair[1], "x", 1, -EBADF), 1);
        assert_int_equal(socket_receive(pair[0], &c, 1, 0, &ancillary), 1);
        assert_true(peer_is_sender(&peer, &ancillary.credentials));

        pid = fork();
        if (pid == 0)
                _exit(socket_send(pair[1], "y", 1, -EBADF) == 1 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(socket_receive(pair[0], &c, 1, 0, &ancillary), 1);
        assert_int_equal(ancillary.credentials.pid, pid);
        assert_false(peer_is_sender(&peer, &ancillary.credentials));

        peer_deinit(&peer);
        close_fd(pair[0]);
        close_fd(pair[1]);
}

/* Who is never served. */

static void test_servable(void **state) {
        static const struct {
                bool good;
                struct ucred credentials;
        } cases[] = {
                {true, {.pid = 2, .uid = 0}},
                {true, {.pid = 100, .uid = 1000}},
                {true, {.pid = 4194304, .uid = INT32_MAX}},
                {true, {.pid = 100, .uid = 65533}},
                {true, {.pid = 100, .uid = 65536}},
                {false, {.pid = 1, .uid = 1000}},
                {false, {.pid = 1, .uid = 0}},
                {false, {.pid = 0, .uid = 0}},
                {false, {.pid = 0, .uid = 1000}},
                {false, {.pid = -1, .uid = 1000}},
                {false, {.pid = 100, .uid = 65534}},
                {false, {.pid = 100, .uid = 65535}},
                {false, {.pid = 100, .uid = (uid_t)INT32_MAX + 1}},
                {false, {.pid = 100, .uid = UINT32_MAX}},
                {false, {.pid = 100, .uid = UINT32_MAX - 1}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (peer_is_servable(&cases[i].credentials) != cases[i].good)
                        fail_msg("pid %d, uid %u", (int)cases[i].credentials.pid,
                                 cases[i].credentials.uid);
}

static int become_overflow(void) {
        return syscall(SYS_setresuid, 65534, 65534, 65534) == 0 ? 0 : -1;
}

static void test_overflow_uid(void **state) {
        Listener l = listen_here();
        Child child = child_start(&l, become_overflow);
        Peer peer = PEER_NULL;

        if (child.fd < 0) {
                print_message("only root can be nobody\n");
                close_fd(child.stay);
                close_fd(l.fd);
                skip();
        }
        assert_int_equal(peer_init(&peer, child.fd, true), PEER_E_REFUSED);
        assert_int_equal(peer.uid, PEER_UID_INVALID);
        child_end(&child, true);
        close_fd(child.fd);
        close_fd(l.fd);
}

/* Namespaces. */

static int enter_user_namespace(void) {
        return unshare(CLONE_NEWUSER);
}

static int enter_pid_namespace(void) {
        pid_t pid;
        int status;

        if (unshare(CLONE_NEWPID) < 0)
                return -1;

        /* The first child of it is in it; this one waits for it. */
        pid = fork();
        if (pid != 0) {
                (void)waitpid(pid, &status, 0);
                _exit(WEXITSTATUS(status));
        }

        return 0;
}

static void check_namespaces(Prepare prepare, bool foreign_user, bool foreign_pid) {
        Listener l = listen_here();
        Child child = child_start(&l, prepare);
        Peer peer = PEER_NULL;
        bool foreign;

        if (child.fd < 0) {
                print_message("no namespace can be made here\n");
                close_fd(child.stay);
                close_fd(l.fd);
                skip();
        }

        /* An unmapped uid is refused before that; here it counts what /proc says. */
        if (peer_init(&peer, child.fd, true) == 0) {
                assert_int_equal(peer_get_foreign_user(&peer, &foreign), 0);
                assert_int_equal(foreign, foreign_user);
                assert_int_equal(peer_get_foreign_pid(&peer, &foreign), 0);
                assert_int_equal(foreign, foreign_pid);
        } else
                fail_msg("the peer was refused");

        peer_deinit(&peer);
        child_end(&child, true);
        close_fd(child.fd);
        close_fd(l.fd);
}

static void test_user_namespace(void **state) {
        check_namespaces(enter_user_namespace, true, false);
}

static void test_pid_namespace(void **state) {
        check_namespaces(enter_pid_namespace, false, true);
}

/* /proc. */

#define REST " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "

static void check_start_time(const char *stat, int expected, uint64_t value) {
        uint64_t got = 77;

        assert_int_equal(peer_parse_start_time(stat, &got), expected);
        assert_int_equal(got, expected == 0 ? value : 77);
}

static void test_parse_start_time(void **state) {
        check_start_time("7 (cat) R" REST "123456 4096 1\n", 0, 123456);
        check_start_time("7 (cat) R" REST "18446744073709551615 0\n", 0, UINT64_MAX);

        /* A command can look like the rest of the line. */
        check_start_time("7 (a) R 1 2 3 (b) S" REST "9 0\n", 0, 9);
        check_start_time("7 () R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 666 1) S" REST "9 0\n", 0, 9);
        check_start_time("7 (\n) ) R" REST "9 0\n", 0, 9);

        check_start_time("", -EBADMSG, 0);
        check_start_time("7 cat R" REST "9 0\n", -EBADMSG, 0);
        check_start_time("7 (cat)", -EBADMSG, 0);
        check_start_time("7 (cat) ", -EBADMSG, 0);
        check_start_time("7 (cat) R 0 0 0", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST, -EBADMSG, 0);
        check_start_time("7 (cat) R" REST "x 0\n", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST "9x 0\n", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST "9", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST "18446744073709551616 0\n", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST "-5 0\n", -EBADMSG, 0);
        check_start_time("7 (cat) R" REST " 9 0\n", -EBADMSG, 0);
}

static void test_parse_terminal(void **state) {
        uint32_t tty = 77;

        assert_int_equal(peer_parse_terminal("7 (cat) R 6 7 7 34816 7 0 0\n", &tty), 0);
        assert_int_equal(tty, 34816);
        assert_int_equal(peer_parse_terminal("7 (a) R 1 2 3) S 6 7 7 0 -1 0 0\n", &tty), 0);
        assert_int_equal(tty, 0);
        assert_int_equal(peer_parse_terminal("7 (cat) R 6 7 7", &tty), -EBADMSG);
        assert_int_equal(peer_parse_terminal("7 (cat) R 6 7 7 -1 0", &tty), -EBADMSG);
        assert_int_equal(peer_parse_terminal("7 (cat) R 6 7 7 4294967296 0", &tty), -EBADMSG);
        assert_int_equal(tty, 0);
}

/* As the process had them when it connected: here, when the pair was made. */
static void test_groups(void **state) {
        _cleanup_free_ gid_t *groups = NULL;
        Peer peer = PEER_NULL;
        int pair[2], n = getgroups(0, NULL);
        bool has = false;

        assert_true(n >= 0);
        groups = calloc((size_t)n + 1, sizeof(*groups));
        assert_int_equal(getgroups(n, groups), n);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

        for (int i = 0; i < n; i++) {
                assert_int_equal(peer_has_group(&peer, pair[0], groups[i], &has), 0);
                assert_true(has);
        }
        assert_int_equal(peer_has_group(&peer, pair[0], 987654, &has), 0);
        assert_false(has);
        peer.gid = 987654;
        assert_int_equal(peer_has_group(&peer, pair[0], 987654, &has), 0);
        assert_true(has);
        assert_true(peer_has_group(&peer, -EBADF, 1, &has) < 0);

        close_fd(pair[0]);
        close_fd(pair[1]);
}

static void check_foreign_pid(const char *status, int expected, bool value) {
        bool got = !value;

        assert_int_equal(peer_parse_foreign_pid(status, &got), expected);
        assert_int_equal(got, expected == 0 ? value : !value);
}

static void test_parse_foreign_pid(void **state) {
        check_foreign_pid("Name:\tcat\nNStgid:\t7\nNSpid:\t7\nNSpgid:\t7\t1\n", 0, false);
        check_foreign_pid("Name:\tcat\nNSpid:\t7\t1\nNSpgid:\t7\n", 0, true);
        check_foreign_pid("Name:\tcat\nNSpid:\t7\t3\t1", 0, true);
        check_foreign_pid("Name:\tcat\nNSpid:\t7", 0, false);
        /* A new line in a name is escaped by the kernel; what is not at a line's start is a name.
         */
        check_foreign_pid("Name:\tNSpid:\t1\t2\nNSpid:\t7\n", 0, false);
        check_foreign_pid("", -EBADMSG, false);
        check_foreign_pid("NSpid:\t7\n", -EBADMSG, false);
        check_foreign_pid("Name:\tcat\nNSpid:\n", -EBADMSG, false);
        check_foreign_pid("Name:\tcat\nNSpid:\t\t\nNSpgid:\t1\t2\n", -EBADMSG, false);
        check_foreign_pid("Name:\tcat\nNSpgid:\t1\n", -EBADMSG, false);
}

static void check_foreign_user(const char *map, bool value) {
        bool got = !value;

        assert_int_equal(peer_parse_foreign_user(map, &got), 0);
        assert_int_equal(got, value);
}

static void test_parse_foreign_user(void **state) {
        check_foreign_user("         0          0 4294967295\n", false);
        check_foreign_user("0 0 4294967295", false);
        check_foreign_user("", true);
        check_foreign_user("\n", true);
        check_foreign_user("0 1000 1\n", true);
        check_foreign_user("0 0 1\n", true);
        check_foreign_user("0 0 65536\n", true);
        check_foreign_user("0 0 4294967294\n", true);
        check_foreign_user("1 0 4294967295\n", true);
        check_foreign_user("0 1 4294967295\n", true);
        check_foreign_user("0 0 4294967295\n1 1 1\n", true);
        check_foreign_user("nonsense", true);
        check_foreign_user("0 0", true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_live),
                cmocka_unit_test(test_dead),
                cmocka_unit_test(test_no_socket),
                cmocka_unit_test(test_sender),
                cmocka_unit_test(test_servable),
                cmocka_unit_test(test_overflow_uid),
                cmocka_unit_test(test_user_namespace),
                cmocka_unit_test(test_pid_namespace),
                cmocka_unit_test(test_parse_start_time),
                cmocka_unit_test(test_parse_terminal),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_parse_foreign_pid),
                cmocka_unit_test(test_parse_foreign_user),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
