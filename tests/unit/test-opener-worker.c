/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-request.h"
#include "helpers/opener-worker.h"
#include "tests/support/fds.h"
#include "tests/support/fuse.h"
#include "tests/support/traced.h"

/* The test is the worker, and what it brings is what one could that had been taken over. */

static OpenerReply said = {.id = 1}; /* but for its status */
static OpenerReply heard;
static OpenerMounts mounts;

int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);

/* The descriptor, which others may share, is left at the place up to which the stream was read. */
int __wrap_fclose(FILE *file) {
        off_t place = ftello(file);

        if (place >= 0)
                (void)lseek(fileno(file), place, SEEK_SET);
        return __real_fclose(file);
}

static OpenerWorker worker_of(Kind kind, Access access, int fd) {
        return (OpenerWorker){
                .fd = fd, .pid = getpid(), .uid = getuid(), .access = access, .kind = kind};
}

/* What the opener makes of it; size overrides the length of the message. */
static int bring(Kind kind, Access access, OpenerStatus status, int fd, ssize_t size, uid_t peer) {
        static const Definition definition = {.connect_as = CONNECT_AS_CLIENT};
        const OpenerPathRules rules = {
                .mounts = &mounts, .root_fd = -EBADF, .peer = peer, .peer_name = "somebody"};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        int pair[2], got = -EBADF, r, before;
        OpenerWorker worker;
        size_t n;

        assert_int_equal(socket_pair(0, pair), 0);
        worker = worker_of(kind, access, pair[0]);
        said.status = status;
        n = opener_reply_encode(&said, buf);
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

/* What it says is its user's word, if it was taken over. */
static void test_words(void **state) {
        static const OpenerStatus its[] = {OPENER_PATH, OPENER_PEER_USER, OPENER_TYPE, OPENER_OPEN,
                                           OPENER_TIMEOUT};
        _cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

        (void)snprintf(said.detail, sizeof(said.detail), "a reason");
        for (int status = OPENER_OK + 1; status < _OPENER_STATUS_MAX; status++) {
                bool is_its = false;

                for (size_t i = 0; i < ELEMENTSOF(its); i++)
                        is_its = is_its || its[i] == (OpenerStatus)status;
                assert_int_equal(bring(KIND_FILE, ACCESS_READ_ONLY, (OpenerStatus)status, -EBADF,
                                       -1, PEER_UID_INVALID),
                                 is_its ? status : OPENER_DISTURBED);
                assert_int_equal(streq(heard.detail, "a reason"), is_its);
        }

        /* Of what was opened only the opener has something to say. */
        said.error = 5;
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, fd), OPENER_OK);
        assert_string_equal(heard.detail, "");
        assert_int_equal(heard.error, 0);

        said.error = 4096;
        assert_int_equal(bring(KIND_FILE, ACCESS_READ_ONLY, OPENER_OPEN, -EBADF, -1, 0),
                         OPENER_DISTURBED);
        said = (OpenerReply){.id = 1};
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

/* The worker, as it is at each of its system calls. */

#define CLIENT 64003

static uint64_t status_of(pid_t pid, const char *name, int base) {
        size_t n = strlen(name);
        char path[64], line[256];
        uint64_t value = 0;
        bool found = false;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        file = fopen(path, "re");
        assert_non_null(file);
        while (!found && fgets(line, sizeof(line), file)) {
                found = strncmp(line, name, n) == 0;
                value = strtoull(line + n, NULL, base);
        }
        (void)fclose(file);
        assert_true(found);
        return value;
}

/* An opener that starts one, and whose own signals stay as they were. */
static int start_worker(void) {
        static char *paths[] = {(char *)"/nowhere", NULL};
        static Definition definition = {.connect_as = CONNECT_AS_CLIENT};
        const OpenerRequest request = {.id = 1, .access = ACCESS_FULL};
        OpenerPathRules rules = {.mounts = &mounts, .root_fd = open("/", O_PATH | O_CLOEXEC)};
        OpenerWorker worker = OPENER_WORKER_NULL;
        sigset_t before, after;
        OpenerReply reply;

        definition.targets[ACCESS_FULL] =
                (Target){.provided = true, .kind = KIND_FILE, .paths = paths};
        (void)sigprocmask(SIG_SETMASK, NULL, &before);
        if (opener_worker_start(&worker, &request, &definition, &rules, CLIENT,
                                opener_request_now() + 5000000, &reply) != 0)
                return 1;
        (void)sigprocmask(SIG_SETMASK, NULL, &after);
        for (int i = 1; i < NSIG; i++)
                if (sigismember(&before, i) != sigismember(&after, i))
                        return 2;
        return 0;
}

/* Where the opener has read its table of mounts up to, a worker does not change. */
static void test_table(void **state) {
        _cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        off_t place;
        int status;

        opener_mounts_deinit(&mounts);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, fd), OPENER_OK);
        rewind(mounts.table);
        assert_true(fgetc(mounts.table) != EOF);
        place = lseek(fileno(mounts.table), 0, SEEK_CUR);
        assert_true(place > ftello(mounts.table));

        assert_int_equal(start_worker(), 0);
        assert_true(wait(&status) > 0);
        assert_int_equal(lseek(fileno(mounts.table), 0, SEEK_CUR), place);
        assert_int_equal(bring_fd(KIND_FILE, ACCESS_READ_ONLY, fd), OPENER_OK);
}

/* What it holds back once it is its user, at the entry of a call. */
static void look_at(pid_t pid, unsigned *n_shielded, bool *ret_took) {
        const uint64_t all =
                0x7fffffff & ~(UINT64_C(1) << (SIGKILL - 1)) & ~(UINT64_C(1) << (SIGSTOP - 1));
        uint64_t blocked = status_of(pid, "SigBlk:", 16);
        struct __ptrace_syscall_info info = {};

        assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY || status_of(pid, "Uid:", 10) != CLIENT)
                return;

        if (info.entry.nr == SYS_prctl && info.entry.args[0] == PR_SET_DUMPABLE) {
                assert_int_equal(blocked & all, all);
                (*n_shielded)++;
        }
        if (info.entry.nr == SYS_exit_group)
                *ret_took = blocked == 0;
}

static void test_signals(void **state) {
        unsigned n_shielded = 0;
        Traced opener;
        bool took = false;
        int status, r;
        pid_t pid;

        if (getuid() != 0)
                skip();
        r = traced_start(&opener, start_worker);
        if (r == -EPERM)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, opener.pid, NULL,
                                (void *)(uintptr_t)(PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD |
                                                    PTRACE_O_EXITKILL)),
                         0);
        assert_int_equal(ptrace(PTRACE_CONT, opener.pid, NULL, NULL), 0);

        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                if (!WIFSTOPPED(status)) {
                        assert_true(WIFEXITED(status));
                        /* The worker may have nobody left to answer. */
                        if (pid == opener.pid)
                                assert_int_equal(WEXITSTATUS(status), 0);
                        continue;
                }
                if (pid != opener.pid && WSTOPSIG(status) == (SIGTRAP | 0x80))
                        look_at(pid, &n_shielded, &took);
                assert_int_equal(
                        ptrace(pid == opener.pid ? PTRACE_CONT : PTRACE_SYSCALL, pid, NULL, NULL),
                        0);
        }
        assert_int_equal(n_shielded, 1);
        assert_true(took);
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
                cmocka_unit_test(test_words),       cmocka_unit_test(test_nowhere),
                cmocka_unit_test(test_signals),     cmocka_unit_test(test_fuse),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, teardown);
}
