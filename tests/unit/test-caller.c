/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/caller.h"
#include "common/peer.h"
#include "common/socket.h"
#include "tests/support/fds.h"

/* Everything happens below a folder of our own; the broker's socket is "broker" in it. */
typedef struct Fixture {
        char folder[64];
        char path[96];
        int listener;
        CallerRules rules;
        const char *reason;
        uid_t uid;
} Fixture;

static int bind_socket(int fd, const char *path) {
        struct sockaddr_un address;
        int n = socket_address(path, &address);

        assert_true(n > 0);
        return bind(fd, (struct sockaddr *)&address, (socklen_t)n);
}

static int connect_socket(int fd, const char *path) {
        struct sockaddr_un address;
        int n = socket_address(path, &address);

        assert_true(n > 0);
        return connect(fd, (struct sockaddr *)&address, (socklen_t)n);
}

static int make_socket(int type) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        return fd;
}

static int make_listener(int type, const char *path) {
        int fd = make_socket(type);

        assert_int_equal(bind_socket(fd, path), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-caller-XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "%s/broker", f->folder);

        f->listener = make_listener(SOCK_STREAM, f->path);
        f->rules = (CallerRules){.path = f->path, .own = 4242, .broker = 4243};
        f->uid = PEER_UID_INVALID;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        DIR *folder = opendir(f->folder);

        for (struct dirent *e; folder && (e = readdir(folder));)
                (void)unlinkat(dirfd(folder), e->d_name, 0);
        if (folder)
                closedir(folder);
        (void)rmdir(f->folder);

        close_fd(f->listener);
        free(f);
        return 0;
}

static int judge(Fixture *f, int fd) {
        int before = fds_count();
        int r;

        f->reason = NULL;
        r = caller_judge(&f->rules, fd, &f->uid, &f->reason);
        assert_int_equal(fds_count(), before);
        return r;
}

static void assert_refused(Fixture *f, int fd, const char *reason) {
        assert_int_equal(judge(f, fd), CALLER_E_REFUSED);
        assert_non_null(strstr(f->reason, reason));
        assert_int_equal(f->uid, PEER_UID_INVALID);
}

/* A client's connection as the broker has it, and the client's end. */
static int make_connection(Fixture *f, int *ret_client) {
        int client = make_socket(SOCK_STREAM), fd;

        assert_int_equal(connect_socket(client, f->path), 0);
        fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);

        *ret_client = client;
        return fd;
}

static void test_connection(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = -EBADF, fd = -EBADF;

        fd = make_connection(f, &client);
        assert_int_equal(judge(f, fd), 0);
        assert_int_equal(f->uid, getuid());

        /* What is said on it changes nothing, nor that no more will be said. */
        assert_int_equal(write(client, "x", 1), 1);
        assert_int_equal(judge(f, fd), 0);
        assert_int_equal(shutdown(client, SHUT_WR), 0);
        assert_int_equal(judge(f, fd), 0);
}

/* The broker has kept it; the client has not. */
static void test_hung_up(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = -EBADF, fd = -EBADF;

        fd = make_connection(f, &client);
        assert_int_equal(write(client, "x", 1), 1);
        client = close_fd(client);
        assert_refused(f, fd, "hung up");
        client = close_fd(client);

        fd = close_fd(fd);
        fd = make_connection(f, &client);
        assert_int_equal(shutdown(client, SHUT_RDWR), 0);
        assert_refused(f, fd, "hung up");
}

static void test_own_users(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = -EBADF, fd = -EBADF;

        fd = make_connection(f, &client);
        f->rules.own = getuid();
        assert_refused(f, fd, "own users");
        f->rules.own = 4242;
        f->rules.broker = getuid();
        assert_refused(f, fd, "own users");
}

static void test_wrong_end(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = -EBADF, fd = -EBADF;

        fd = make_connection(f, &client);
        assert_refused(f, client, "not a connection to the broker");
        assert_refused(f, f->listener, "without another end");
}

static void test_not_a_socket(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int path = open(f->path, O_PATH | O_CLOEXEC);
        int fds[2];

        assert_true(file >= 0 && path >= 0);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_refused(f, file, "not a unix stream socket");
        assert_refused(f, path, "not a unix stream socket");
        assert_refused(f, fds[0], "not a unix stream socket");
        assert_refused(f, -EBADF, "not a unix stream socket");
        close_fd(fds[0]);
        close_fd(fds[1]);
}

static void test_other_families(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int datagram = make_socket(SOCK_DGRAM);
        _cleanup_close_ int unbound = make_socket(SOCK_STREAM);

        if (tcp >= 0)
                assert_refused(f, tcp, "not a unix stream socket");
        assert_refused(f, datagram, "not a unix stream socket");
        assert_refused(f, unbound, "not a connection to the broker");
}

/* The PAM helper's conversation is a seqpacket pair of root's that passes through the broker. */
static void test_seqpacket(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int listener = -EBADF, client = make_socket(SOCK_SEQPACKET), fd = -EBADF;

        assert_int_equal(unlink(f->path), 0);
        listener = make_listener(SOCK_SEQPACKET, f->path);
        assert_int_equal(connect_socket(client, f->path), 0);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);

        assert_refused(f, fd, "not a unix stream socket");
}

static void test_socketpair(void **state) {
        Fixture *f = *state;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_refused(f, fds[0], "not a connection to the broker");

        /* An end can be bound to our path after the fact, where the path is free: in a mount
         * namespace. What it shows then is whoever made the pair: the broker's own user. */
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(bind_socket(fds[0], f->path), 0);
        f->rules.broker = getuid();
        assert_refused(f, fds[0], "own users");

        close_fd(fds[0]);
        close_fd(fds[1]);
}

/* A socket that is called by our path and was connected to somebody's listener shows that
 * listener's maker, who never asked for anything. */
static void test_bound_before_connect(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int victim = -EBADF, fd = make_socket(SOCK_STREAM), accepted = -EBADF;
        char path[112];

        (void)snprintf(path, sizeof(path), "%s/victim", f->folder);
        victim = make_listener(SOCK_STREAM, path);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(bind_socket(fd, f->path), 0);
        assert_int_equal(connect_socket(fd, path), 0);
        assert_refused(f, fd, "has a name");

        accepted = accept4(victim, NULL, NULL, SOCK_CLOEXEC);
        assert_refused(f, fd, "has a name");
        assert_refused(f, accepted, "not a connection to the broker");
        victim = close_fd(victim);
        accepted = close_fd(accepted);
        assert_refused(f, fd, "a name");
}

static void test_bound_abstract_victim(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int victim = make_socket(SOCK_STREAM), fd = make_socket(SOCK_STREAM);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t n = sizeof(address);

        /* Autobind: as near to unnamed as a listener comes. */
        assert_int_equal(bind(victim, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
        assert_int_equal(listen(victim, 1), 0);
        assert_int_equal(getsockname(victim, (struct sockaddr *)&address, &n), 0);

        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(bind_socket(fd, f->path), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, n), 0);
        assert_refused(f, fd, "has a name");
}

/* A client that binds is not one of the library's. */
static void test_named_client(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = make_socket(SOCK_STREAM), fd = -EBADF;
        char path[112];

        (void)snprintf(path, sizeof(path), "%s/client", f->folder);
        assert_int_equal(bind_socket(client, path), 0);
        assert_int_equal(connect_socket(client, f->path), 0);
        fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_refused(f, fd, "has a name");
}

static void test_similar_names(void **state) {
        Fixture *f = *state;
        char paths[3][112];

        (void)snprintf(paths[0], sizeof(paths[0]), "%sx", f->path);
        (void)snprintf(paths[1], sizeof(paths[1]), "%.*s", (int)strlen(f->path) - 1, f->path);
        (void)snprintf(paths[2], sizeof(paths[2]), "@%s", f->path + 1);

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_close_ int listener = make_listener(SOCK_STREAM, paths[i]);
                _cleanup_close_ int client = make_socket(SOCK_STREAM), fd = -EBADF;

                assert_int_equal(connect_socket(client, paths[i]), 0);
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                assert_true(fd >= 0);
                assert_refused(f, fd, "not a connection to the broker");
        }
}

static bool kernel_has_peerpidfd(int fd) {
        int pidfd = -EBADF, r;

        r = peer_get_pidfd(fd, &pidfd);
        close_fd(pidfd);
        return r != PEER_E_UNSUPPORTED;
}

/* Connects, and ends; a copy of the connection stays with us, so that it has not hung up. */
static pid_t start_client(Fixture *f, int *ret_fd, int *ret_client) {
        int client = make_socket(SOCK_STREAM), fd;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(connect_socket(client, f->path) < 0);

        fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){}, WEXITED | WNOWAIT), 0);
        *ret_fd = fd;
        *ret_client = client;
        return pid;
}

static void test_dead_client(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF;
        pid_t pid;
        int status;

        pid = start_client(f, &fd, &client);

        /* Ended and not yet waited for, then gone altogether. */
        if (!kernel_has_peerpidfd(fd)) {
                assert_int_equal(waitpid(pid, &status, 0), pid);
                skip();
        }
        assert_refused(f, fd, "has ended");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_refused(f, fd, "has ended");
}

/* Before Linux 6.5 the number is all there is, and the broker's proof has to do; who has hung up is
 * refused there, too. */
static void test_older_kernel(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF;
        pid_t pid;

        f->rules.no_peerpidfd = true;
        pid = start_client(f, &fd, &client);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(judge(f, fd), 0);
        assert_int_equal(f->uid, getuid());

        client = close_fd(client);
        f->uid = PEER_UID_INVALID;
        assert_refused(f, fd, "hung up");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hung_up, setup, teardown),
                cmocka_unit_test_setup_teardown(test_own_users, setup, teardown),
                cmocka_unit_test_setup_teardown(test_wrong_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_not_a_socket, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_families, setup, teardown),
                cmocka_unit_test_setup_teardown(test_seqpacket, setup, teardown),
                cmocka_unit_test_setup_teardown(test_socketpair, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bound_before_connect, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bound_abstract_victim, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named_client, setup, teardown),
                cmocka_unit_test_setup_teardown(test_similar_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dead_client, setup, teardown),
                cmocka_unit_test_setup_teardown(test_older_kernel, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
