/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "common/activation.h"
#include "common/bytes.h"
#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-server.h"
#include "tests/support/fds.h"

/* The opener runs in a child; the test is the broker, and its clients. How it ended: */
enum {
        EXIT_IDLE = 0,
        EXIT_FAILED = 1,
        EXIT_USELESS = 2,
        EXIT_LEAKED = 3,
};

#define DEFINITION "/etc/doorward/endpoints.d/test.conf"
#define TEXT                          \
        "[Endpoint]\n"                \
        "Description=Test\n"          \
        "\n"                          \
        "[ReadOnly]\n"                \
        "ConnectStream=/backend-ro\n" \
        "\n"                          \
        "[Full]\n"                    \
        "ConnectStream=/backend\n"

/* The definition by which the broker says that it has judged: the opener's own, if nobody says
 * otherwise. */
static char judged_by[OPENER_DEFINITION_SIZE] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct Fixture {
        char root[64];
        char client_path[96];
        char journal_path[96]; /* where nobody listens, unless a test does */
        char hash[DEFINITION_HASH_SIZE];
        int root_fd;
        int listener;        /* the opener's */
        int client_listener; /* the broker's */
        int backend;
        int client, ours; /* one that stays connected to the broker, both ends */
        pid_t pid;
        const OpenerReply *lack;
        uint64_t idle_usec, linger_usec, patience_usec;
        uid_t broker;
} Fixture;

static int bind_socket(const char *path, int type, int backlog) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), n;
        struct sockaddr_un address;

        n = socket_address(path, &address);
        if (fd < 0 || n < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 ||
            listen(fd, backlog) < 0)
                abort();
        return fd;
}

static int connect_socket(const char *path, int type) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), n;
        struct timeval patience = {.tv_sec = 10};
        struct sockaddr_un address;

        n = socket_address(path, &address);
        if (fd < 0 || n < 0 || connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                abort();
        return fd;
}

static const char *in(const Fixture *f, const char *path) {
        static char buf[PATH_MAX];

        (void)snprintf(buf, sizeof(buf), "%s%s", f->root, path);
        return buf;
}

static void write_file(const Fixture *f, const char *path, const char *text) {
        int fd = open(in(f, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close_fd(fd);
}

static void write_definition(const Fixture *f, const char *text) {
        write_file(f, DEFINITION, text);
}

/* A client of the broker: the broker's end of its connection. */
static int make_client(Fixture *f, int *ret_client) {
        int fd;

        *ret_client = connect_socket(f->client_path, SOCK_STREAM);
        fd = accept4(f->client_listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static int setup(void **state) {
        static const char *const folders[] = {"/etc", "/etc/doorward", "/etc/doorward/endpoints.d"};
        Fixture *f = calloc(1, sizeof(*f));
        int one = 1;

        if (!f)
                return -1;
        (void)snprintf(f->root, sizeof(f->root), "/tmp/test-opener-server-XXXXXX");
        if (!mkdtemp(f->root) || chmod(f->root, 0755) < 0)
                return -1;
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                if (mkdir(in(f, folders[i]), 0755) < 0)
                        return -1;

        (void)snprintf(f->client_path, sizeof(f->client_path), "%s/broker", f->root);
        (void)snprintf(f->journal_path, sizeof(f->journal_path), "%s/journal", f->root);
        f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        f->listener = bind_socket(in(f, "/opener"), SOCK_SEQPACKET, 16);
        f->client_listener = bind_socket(f->client_path, SOCK_STREAM, 64);
        f->backend = bind_socket(in(f, "/backend"), SOCK_STREAM, 64);
        f->broker = getuid();
        f->idle_usec = OPENER_IDLE_USEC;
        f->linger_usec = OPENER_LINGER_USEC;
        f->patience_usec = OPENER_PATIENCE_USEC;
        f->ours = make_client(f, &f->client);
        write_definition(f, TEXT);
        *state = f;
        return fcntl(f->listener, F_SETFL, O_NONBLOCK) < 0 ||
               setsockopt(f->listener, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (f->pid > 0) {
                (void)kill(f->pid, SIGKILL);
                (void)waitpid(f->pid, NULL, 0);
        }
        close_fd(f->root_fd);
        close_fd(f->listener);
        close_fd(f->client_listener);
        close_fd(f->backend);
        close_fd(f->client);
        close_fd(f->ours);
        (void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(f);
        return 0;
}

static int serve(const Fixture *f) {
        OpenerDefinition definition = {};
        OpenerRecord record = OPENER_RECORD_NULL;
        OpenerMounts mounts = {};
        OpenerServer server;
        bool useless;
        int r;

        opener_server_init(&server);
        if (activation_get_end(&server.end) < 0 ||
            opener_definition_init(&definition, f->root, getuid(), "test", f->hash) < 0)
                return EXIT_FAILED;

        record.endpoint = "test";
        record.path = f->journal_path;
        server.listener = f->listener;
        server.broker = f->broker;
        server.caller = (CallerRules){f->client_path, 4242, 4243};
        server.path = (OpenerPathRules){
                .mounts = &mounts, .root_fd = f->root_fd, .root = getuid(), .peer = getuid()};
        server.definition = &definition;
        server.record = &record;
        server.lack = f->lack;
        server.idle_usec = f->idle_usec;
        server.linger_usec = f->linger_usec;
        server.patience_usec = f->patience_usec;

        r = opener_server_run(&server);
        useless = server.useless;
        opener_server_deinit(&server);
        opener_mounts_deinit(&mounts);
        close_fd(server.end);
        opener_record_deinit(&record);
        opener_definition_deinit(&definition);

        return r < 0 ? EXIT_FAILED : useless ? EXIT_USELESS : EXIT_IDLE;
}

/* The broker, and whoever writes the unit, read the definition as it is now. */
static void read_definition(Fixture *f) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(strv_freep) char **folders = NULL;

        assert_int_equal(definition_folders(f->root, &folders), 0);
        assert_int_equal(definition_load_for_opener(folders, getuid(), "test", &d), 0);
        assert_null(d->problem);
        memcpy(f->hash, d->hash, sizeof(f->hash));
        memcpy(judged_by, d->hash, sizeof(judged_by));
}

/* Starts an opener for it. */
static void start(Fixture *f) {
        read_definition(f);
        f->pid = fork();
        assert_true(f->pid >= 0);
        if (f->pid == 0) {
                int before = fds_count();
                int status = serve(f);

                _exit(fds_count() == before ? status : EXIT_LEAKED);
        }
}

static void assert_ended(Fixture *f, int expected) {
        int status = 0;

        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        f->pid = 0;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), expected);
}

static int send_request(int fd, uint32_t id, Access access, const char *instance, int client) {
        OpenerRequest request = {.id = id, .access = access};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        size_t n;

        (void)snprintf(request.instance, sizeof(request.instance), "%s", instance);
        memcpy(request.definition, judged_by, sizeof(request.definition));
        n = opener_request_encode(&request, buf);
        return (int)socket_send(fd, buf, n, client);
}

static void ask(Fixture *f, int fd, uint32_t id, Access access) {
        assert_true(send_request(fd, id, access, "", f->ours) > 0);
}

static int get_reply(int fd, OpenerReply *ret) {
        uint8_t buf[OPENER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        n = socket_receive(fd, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(opener_reply_decode(buf, (size_t)n, ret), 0);
        assert_int_equal(ancillary.n_fds, ret->status == OPENER_OK ? 1 : 0);
        return ancillary.n_fds > 0 ? ancillary.fds[0] : -EBADF;
}

static void assert_reply(int fd, uint32_t id, OpenerStatus status) {
        OpenerReply reply;

        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.id, id);
        assert_int_equal(reply.status, status);
}

static void assert_closed(int fd) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static int connect_broker(Fixture *f) {
        return connect_socket(in(f, "/opener"), SOCK_SEQPACKET);
}

static void test_open(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, opened = -EBADF, accepted = -EBADF;
        OpenerReply reply;
        char c;

        f->idle_usec = 300000;
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 7, ACCESS_FULL);
        opened = get_reply(fd, &reply);
        assert_int_equal(reply.id, 7);
        assert_int_equal(reply.status, OPENER_OK);
        assert_int_equal(reply.error, 0);
        assert_string_equal(reply.detail, "");

        accepted = accept(f->backend, NULL, NULL);
        assert_int_equal(write(opened, "x", 1), 1);
        assert_int_equal(read(accepted, &c, 1), 1);

        /* Nothing of it is kept: the backend sees the end when we let go. */
        opened = close_fd(opened);
        assert_int_equal(read(accepted, &c, 1), 0);

        ask(f, fd, 8, ACCESS_READ_ONLY);
        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.status, OPENER_PATH);
        assert_int_equal(reply.error, ENOENT);
        assert_string_equal(reply.detail, "/backend-ro does not exist");

        /* It ends by itself, also under a connection that is still open, and has kept nothing. */
        assert_closed(fd);
        assert_ended(f, EXIT_IDLE);
}

static void test_client_is_judged(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = -EBADF;
        int pair[2];

        start(f);
        fd = connect_broker(f);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_true(send_request(fd, 1, ACCESS_FULL, "", pair[0]) > 0);
        assert_reply(fd, 1, OPENER_REFUSED_CLIENT);
        assert_true(send_request(fd, 2, ACCESS_FULL, "", f->client_listener) > 0);
        assert_reply(fd, 2, OPENER_REFUSED_CLIENT);
        assert_true(send_request(fd, 3, ACCESS_FULL, "", fd) > 0);
        assert_reply(fd, 3, OPENER_REFUSED_CLIENT);
        ours = make_client(f, &client);
        assert_true(send_request(fd, 4, ACCESS_FULL, "", client) > 0);
        assert_reply(fd, 4, OPENER_REFUSED_CLIENT);
        assert_true(send_request(fd, 5, ACCESS_FULL, "", ours) > 0);
        assert_reply(fd, 5, OPENER_OK);

        /* What is passed is let go of once it was looked at. */
        ours = close_fd(ours);
        close_fd(pair[0]);
        assert_closed(client);
        assert_closed(pair[1]);
        close_fd(pair[1]);
}

static void test_instance(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = make_client(f, &client);

        start(f);
        fd = connect_broker(f);
        assert_true(send_request(fd, 1, ACCESS_FULL, "x", ours) > 0);
        assert_reply(fd, 1, OPENER_INSTANCE);
}

static void test_template(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = -EBADF;
        OpenerReply reply;

        assert_int_equal(unlink(in(f, DEFINITION)), 0);
        write_file(f, "/etc/doorward/endpoints.d/test@.conf",
                   "[Endpoint]\n"
                   "Description=Test\n"
                   "Instance=back* b?\n"
                   "\n"
                   "[Full]\n"
                   "ConnectStream=/run/%i\n");
        assert_int_equal(mkdir(in(f, "/run"), 0755), 0);
        assert_int_equal(symlink("../backend", in(f, "/run/backend")), 0);
        start(f);
        fd = connect_broker(f);
        ours = make_client(f, &client);
        assert_true(send_request(fd, 1, ACCESS_FULL, "backend", ours) > 0);
        assert_reply(fd, 1, OPENER_OK);
        assert_true(send_request(fd, 2, ACCESS_FULL, "broker", ours) > 0);
        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.status, OPENER_INSTANCE);
        assert_string_equal(reply.detail, "test@ has no instance broker: Instance=back* b?");
        assert_true(send_request(fd, 3, ACCESS_FULL, "", ours) > 0);
        assert_reply(fd, 3, OPENER_INSTANCE);
        assert_true(send_request(fd, 4, ACCESS_READ_ONLY, "backend", ours) > 0);
        assert_reply(fd, 4, OPENER_NO_ACCESS);

        /* A name with a slash in it is not even a request. */
        assert_true(send_request(fd, 5, ACCESS_FULL, "../etc", ours) > 0);
        assert_closed(fd);
}

/* Each of these ends the connection, and no other. */
static void test_malformed(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int good = -EBADF, client = -EBADF, ours = make_client(f, &client);
        OpenerRequest request = {.id = 9, .access = ACCESS_FULL};
        uint8_t buf[OPENER_MESSAGE_SIZE + 64] = {};
        size_t n;

        start(f);
        memcpy(request.definition, judged_by, sizeof(request.definition));
        n = opener_request_encode(&request, buf);
        good = connect_broker(f);
        for (int i = 0; i < 8; i++) {
                _cleanup_close_ int fd = connect_broker(f);
                uint8_t message[sizeof(buf)];
                size_t size = n;
                int pass = ours;

                memcpy(message, buf, sizeof(message));
                switch (i) {
                case 0:
                        pass = -EBADF; /* no descriptor */
                        break;
                case 1:
                        size = n - 1;
                        break;
                case 2:
                        size = n + 1;
                        break;
                case 3:
                        size = sizeof(message); /* longer than any */
                        break;
                case 4:
                        message[0]++; /* another version */
                        break;
                case 5:
                        message[8] = 0; /* no such access */
                        break;
                case 6:
                        message[8] = 3;
                        break;
                case 7:
                        size = 1;
                        break;
                }
                assert_int_equal(socket_send(fd, message, size, pass), size);
                assert_closed(fd);
        }

        ask(f, good, 1, ACCESS_FULL);
        assert_reply(good, 1, OPENER_OK);
}

static void test_empty_message(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int client = -EBADF, ours = -EBADF;

        start(f);
        ours = make_client(f, &client);
        for (int with = 0; with < 2; with++) {
                _cleanup_close_ int fd = connect_broker(f);

                assert_int_equal(socket_send(fd, "", 0, with ? ours : -EBADF), 0);
                assert_closed(fd);
        }
        ours = close_fd(ours);
        assert_closed(client);
}

static void test_two_descriptors(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = -EBADF;
        OpenerRequest request = {.id = 9, .access = ACCESS_FULL};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        struct iovec iov = {.iov_base = buf, .iov_len = 0};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.data,
                             .msg_controllen = sizeof(control.data)};

        start(f);
        memcpy(request.definition, judged_by, sizeof(request.definition));
        iov.iov_len = opener_request_encode(&request, buf);
        ours = make_client(f, &client);
        fd = connect_broker(f);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(&control.align), (int[]){ours, ours}, 2 * sizeof(int));
        assert_true(sendmsg(fd, &msg, 0) > 0);
        assert_closed(fd);
        ours = close_fd(ours);
        assert_closed(client);
}

/* Somebody else writes on the broker's connection: a child that inherited it. */
static void test_other_sender(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = make_client(f, &client);
        pid_t pid;

        start(f);
        fd = connect_broker(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(send_request(fd, 1, ACCESS_FULL, "", ours) < 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_closed(fd);
}

static void test_other_user(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        f->broker = getuid() + 1;
        start(f);
        fd = connect_broker(f);
        assert_closed(fd);
}

static void test_stale(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, late = -EBADF, client = -EBADF, ours = -EBADF;

        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        assert_reply(fd, 1, OPENER_OK);

        write_definition(f, TEXT "# changed\n");
        ask(f, fd, 2, ACCESS_FULL);
        assert_reply(fd, 2, OPENER_STALE);

        /* Nobody has seen this one, and the broker can tell: it may ask the next process. */
        ours = make_client(f, &client);
        assert_int_equal(send_request(fd, 3, ACCESS_FULL, "", ours), -EPIPE);
        assert_closed(fd);
        assert_ended(f, EXIT_USELESS);

        /* What connects by then waits in the queue for it. */
        late = connect_broker(f);
        read_definition(f);
        ask(f, late, 4, ACCESS_FULL);
        start(f);
        assert_reply(late, 4, OPENER_OK);
}

/* Requests that had arrived when it decided to leave are answered. */
static void test_leaving_answers(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        start(f);
        fd = connect_broker(f);
        write_definition(f, TEXT "# changed\n");
        assert_int_equal(kill(f->pid, SIGSTOP), 0);
        for (uint32_t i = 0; i < 5; i++)
                ask(f, fd, i, ACCESS_FULL);
        assert_int_equal(kill(f->pid, SIGCONT), 0);
        for (uint32_t i = 0; i < 5; i++)
                assert_reply(fd, i, OPENER_STALE);
        assert_closed(fd);
        assert_ended(f, EXIT_USELESS);
}

static void test_lack(void **state) {
        OpenerReply lack = {.status = OPENER_GROUP_MISSING,
                            .detail = "group x does not exist here"};
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;
        OpenerReply reply;

        f->lack = &lack;
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.status, OPENER_GROUP_MISSING);
        assert_string_equal(reply.detail, lack.detail);
        assert_ended(f, EXIT_USELESS);
}

static uint64_t now_msec(void) {
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A backend that takes nobody in: its queue is filled by us. */
static void fill_backend(Fixture *f, int *ret_filler) {
        f->backend = close_fd(f->backend);
        assert_int_equal(unlink(in(f, "/backend")), 0);
        f->backend = bind_socket(in(f, "/backend"), SOCK_STREAM, 0);
        *ret_filler = connect_socket(in(f, "/backend"), SOCK_STREAM);
}

static void test_queue_timeout(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;
        OpenerReply reply;
        uint64_t before;

        fill_backend(f, &filler);
        f->patience_usec = 200000;
        start(f);
        fd = connect_broker(f);
        before = now_msec();
        ask(f, fd, 1, ACCESS_FULL);
        /* Others are served meanwhile. */
        ask(f, fd, 2, ACCESS_READ_ONLY);
        assert_reply(fd, 2, OPENER_PATH);
        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.id, 1);
        assert_int_equal(reply.status, OPENER_TIMEOUT);
        assert_int_equal(reply.error, ETIMEDOUT);
        assert_string_equal(reply.detail, "/backend takes no connection: its queue stayed full");
        assert_in_range(now_msec() - before, 195, 2000);
}

static void test_queue_drains(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF, opened = -EBADF, accepted = -EBADF;
        OpenerReply reply;

        fill_backend(f, &filler);
        f->idle_usec = 50000; /* one that waits is not idle */
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 200), 0);
        close_fd(accept(f->backend, NULL, NULL));
        opened = get_reply(fd, &reply);
        assert_int_equal(reply.status, OPENER_OK);
        accepted = accept(f->backend, NULL, NULL);
        assert_true(accepted >= 0);
        assert_false(fcntl(opened, F_GETFL) & O_NONBLOCK);
        assert_ended(f, EXIT_IDLE);
}

static void test_limit(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;

        fill_backend(f, &filler);
        f->patience_usec = 250000;
        start(f);
        fd = connect_broker(f);
        for (uint32_t i = 0; i < OPENER_TASKS_PER_UID_MAX; i++)
                ask(f, fd, i, ACCESS_FULL);
        ask(f, fd, 99, ACCESS_FULL);
        assert_reply(fd, 99, OPENER_LIMIT);
        for (uint32_t i = 0; i < OPENER_TASKS_PER_UID_MAX; i++) {
                OpenerReply reply;

                close_fd(get_reply(fd, &reply));
                assert_int_equal(reply.status, OPENER_TIMEOUT);
        }
        ask(f, fd, 100, ACCESS_READ_ONLY);
        assert_reply(fd, 100, OPENER_PATH);
}

static void test_same_id(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;

        fill_backend(f, &filler);
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        ask(f, fd, 1, ACCESS_READ_ONLY);
        assert_closed(fd);
}

/* A broker that goes takes what it asked for with it. */
static void test_broker_goes(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;

        fill_backend(f, &filler);
        f->idle_usec = 100000;
        start(f);
        fd = connect_broker(f);
        for (uint32_t i = 0; i < 5; i++)
                ask(f, fd, i, ACCESS_FULL);
        fd = close_fd(fd);
        assert_ended(f, EXIT_IDLE);
}

/* Leaving waits for what is under way. */
static void test_stale_while_waiting(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;
        OpenerReply reply;

        fill_backend(f, &filler);
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        ask(f, fd, 2, ACCESS_READ_ONLY);
        assert_reply(fd, 2, OPENER_PATH);
        write_definition(f, TEXT "# changed\n");
        ask(f, fd, 3, ACCESS_FULL);
        assert_reply(fd, 3, OPENER_STALE);
        close_fd(accept(f->backend, NULL, NULL));
        close_fd(get_reply(fd, &reply));
        assert_int_equal(reply.id, 1);
        assert_int_equal(reply.status, OPENER_OK);
        assert_closed(fd);
        assert_ended(f, EXIT_USELESS);
}

/* A backend that knows the opener's own user may look for its process: it stays for a while. */
static void test_linger(void **state) {
        Fixture *f = *state;

        f->idle_usec = 50000;
        f->linger_usec = 800000;
        for (int as_user = 0; as_user < 2; as_user++) {
                _cleanup_close_ int fd = -EBADF;
                uint64_t before;

                if (as_user)
                        write_definition(f, TEXT "\n[Connect]\nConnectAs=somebody\n");
                start(f);
                fd = connect_broker(f);
                before = now_msec();
                ask(f, fd, 1, ACCESS_READ_ONLY);
                assert_reply(fd, 1, OPENER_PATH);
                ask(f, fd, 2, ACCESS_FULL);
                assert_reply(fd, 2, OPENER_OK);
                assert_ended(f, EXIT_IDLE);
                if (as_user)
                        assert_in_range(now_msec() - before, 795, 5000);
                else
                        assert_in_range(now_msec() - before, 45, 750);
        }
}

static void test_connections(void **state) {
        Fixture *f = *state;
        int fds[OPENER_CONNECTIONS_MAX + 1];

        start(f);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = connect_broker(f);
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++) {
                ask(f, fds[i], 1, ACCESS_FULL);
                assert_reply(fds[i], 1, OPENER_OK);
        }

        /* One too many waits for its turn. */
        ask(f, fds[OPENER_CONNECTIONS_MAX], 1, ACCESS_FULL);
        assert_int_equal(
                poll(&(struct pollfd){.fd = fds[OPENER_CONNECTIONS_MAX], .events = POLLIN}, 1, 100),
                0);
        fds[0] = close_fd(fds[0]);
        assert_reply(fds[OPENER_CONNECTIONS_MAX], 1, OPENER_OK);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close_fd(fds[i]);
}

/* A broker that reads nothing does not hold anybody up: in the end it is let go of. */
static void test_broker_does_not_read(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, good = -EBADF, client = -EBADF, ours = -EBADF;
        int r = 0;

        start(f);
        good = connect_broker(f);
        fd = connect_broker(f);
        ours = make_client(f, &client);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        for (uint32_t i = 0; i < 20000 && r != -EPIPE; i++) {
                r = send_request(fd, i, ACCESS_READ_ONLY, "", ours);
                if (r == -EAGAIN || r == -ETOOMANYREFS) {
                        (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 10);
                        r = 0;
                }
        }
        assert_int_equal(r, -EPIPE);
        ask(f, good, 1, ACCESS_READ_ONLY);
        assert_reply(good, 1, OPENER_PATH);
}

static void test_many(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, client = -EBADF, ours = make_client(f, &client);

        f->idle_usec = 200000;
        start(f);
        fd = connect_broker(f);
        for (uint32_t i = 0; i < 500; i++) {
                assert_true(send_request(fd, i, ACCESS_FULL, "", ours) > 0);
                assert_reply(fd, i, OPENER_OK);
                close_fd(accept(f->backend, NULL, NULL));
                assert_true(send_request(fd, i, ACCESS_READ_ONLY, "", ours) > 0);
                assert_reply(fd, i, OPENER_PATH);
        }
        /* How it ends says whether it has kept any. */
        assert_ended(f, EXIT_IDLE);
}

/* The broker has not read a change that systemd was told of: it judged by the old text, and nothing
 * is opened by the new one. Nor is this opener to blame, so it stays. */
static void test_judged_by_another_definition(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;

        start(f);
        fd = connect_broker(f);
        judged_by[0] = judged_by[0] == 'a' ? 'b' : 'a';
        ask(f, fd, 1, ACCESS_FULL);
        assert_reply(fd, 1, OPENER_STALE);
        memcpy(judged_by, f->hash, sizeof(judged_by));
        ask(f, fd, 2, ACCESS_FULL);
        assert_reply(fd, 2, OPENER_OK);
}

/* A journal. */

static int listen_journal(const Fixture *f) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;
        struct sockaddr_un address;

        n = socket_address(f->journal_path, &address);
        assert_true(fd >= 0 && n > 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        return fd;
}

/* The next entry comes within this time, and says this. */
static void assert_entry(int journal, int msec, const char *text) {
        char buf[JOURNAL_ENTRY_SIZE];
        ssize_t n;

        assert_int_equal(poll(&(struct pollfd){.fd = journal, .events = POLLIN}, 1, msec), 1);
        n = recv(journal, buf, sizeof(buf) - 1, 0);
        assert_true(n > 0);
        buf[n] = 0;
        assert_non_null(strstr(buf, text));
}

static void assert_no_entry(int journal, int msec) {
        assert_int_equal(poll(&(struct pollfd){.fd = journal, .events = POLLIN}, 1, msec), 0);
}

static void open_some(Fixture *f, int fd, unsigned n) {
        for (uint32_t i = 0; i < n; i++) {
                ask(f, fd, i, ACCESS_FULL);
                assert_reply(fd, i, OPENER_OK);
        }
}

/* The first of them is recorded at once and the others when a second is over, with nobody asking
 * for anything; and then nothing wakes it up. */
static void test_record_in_time(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, journal = listen_journal(f);

        start(f);
        fd = connect_broker(f);
        open_some(f, fd, 6);
        assert_entry(journal, 1000, "MESSAGE=Opened test at full for uid ");
        assert_no_entry(journal, 500);
        assert_entry(journal, 2000, "\nDOORWARD_COUNT=5\n");
        assert_no_entry(journal, 1200);
}

/* Nothing that was only counted is lost, whatever it is that ends it. */
static void test_record_before_the_end(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int journal = listen_journal(f);

        for (int i = 0; i < 3; i++) {
                _cleanup_close_ int fd = -EBADF;

                f->idle_usec = i == 0 ? 200000 : OPENER_IDLE_USEC;
                start(f);
                fd = connect_broker(f);
                open_some(f, fd, 4);
                assert_entry(journal, 1000, "MESSAGE=Opened test at full for uid ");
                switch (i) {
                case 0:
                        break; /* it has been idle */
                case 1:
                        write_definition(f, TEXT "# changed\n");
                        ask(f, fd, 9, ACCESS_FULL);
                        assert_reply(fd, 9, OPENER_STALE);
                        break;
                case 2:
                        assert_int_equal(kill(f->pid, SIGTERM), 0);
                        break;
                }
                assert_closed(fd);
                assert_ended(f, i == 1 ? EXIT_USELESS : EXIT_IDLE);
                assert_entry(journal, 0, "\nDOORWARD_COUNT=3\n");
                if (i == 1)
                        assert_entry(journal, 0, "MESSAGE=Did not open test at full");
                assert_no_entry(journal, 0);
        }
}

/* Told to end, it answers what had arrived, and what waits. */
static void test_terminated(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF, filler = -EBADF;

        fill_backend(f, &filler);
        start(f);
        fd = connect_broker(f);
        ask(f, fd, 1, ACCESS_FULL);
        ask(f, fd, 2, ACCESS_READ_ONLY);
        assert_reply(fd, 2, OPENER_PATH);
        assert_int_equal(kill(f->pid, SIGTERM), 0);
        assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 200), 0);
        close_fd(accept(f->backend, NULL, NULL));
        assert_reply(fd, 1, OPENER_OK);
        assert_closed(fd);
        assert_ended(f, EXIT_IDLE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_open, setup, teardown),
                cmocka_unit_test_setup_teardown(test_client_is_judged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_instance, setup, teardown),
                cmocka_unit_test_setup_teardown(test_template, setup, teardown),
                cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_judged_by_another_definition, setup, teardown),
                cmocka_unit_test_setup_teardown(test_empty_message, setup, teardown),
                cmocka_unit_test_setup_teardown(test_two_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_sender, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leaving_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lack, setup, teardown),
                cmocka_unit_test_setup_teardown(test_queue_timeout, setup, teardown),
                cmocka_unit_test_setup_teardown(test_queue_drains, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
                cmocka_unit_test_setup_teardown(test_same_id, setup, teardown),
                cmocka_unit_test_setup_teardown(test_broker_goes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stale_while_waiting, setup, teardown),
                cmocka_unit_test_setup_teardown(test_linger, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
                cmocka_unit_test_setup_teardown(test_broker_does_not_read, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
                cmocka_unit_test_setup_teardown(test_record_in_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_record_before_the_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_terminated, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
