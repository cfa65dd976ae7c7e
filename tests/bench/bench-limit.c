/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-limit bare|separated|recorded|thrice BACKEND SECONDS[/PAUSE] USER:CLIENTS...
 *
 * What handing over a connection costs at least, and nothing else: no policy, no limits, no checks
 * of what comes back, no lease. The yardsticks of the broker, each with all of the one before:
 *
 *   bare        accept, SO_PEERCRED, SO_PEERPIDFD, connect() to the backend, SCM_RIGHTS, close
 *   separated   the connect() is another process's, over a socketpair
 *   recorded    request and reply are the broker's JSON, written and read with jansson, and it is
 *               recorded by sd_journal_sendv() with the fields of the broker's record
 *   thrice      the other process records it too, and so is its end: as many records as doorward's
 */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include <jansson.h>

#include "common/interface.h"
#include "common/socket.h"
#include "tests/bench/bench.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define SOCKET_PATH "/run/doorward-bench-limit"
#define MESSAGE_SIZE 4096U

typedef enum Mode {
        MODE_BARE,
        MODE_SEPARATED,
        MODE_RECORDED,
        MODE_THRICE,
        _MODE_MAX,
} Mode;

static const char *const mode_names[_MODE_MAX] = {
        [MODE_BARE] = "bare",
        [MODE_SEPARATED] = "separated",
        [MODE_RECORDED] = "recorded",
        [MODE_THRICE] = "thrice",
};

typedef struct Limit {
        Mode mode;
        const char *backend;
        int listener;
        int connector; /* our end of its socketpair */
} Limit;

/* The messages, as the library and the broker write them. */

static size_t dump_consume(json_t *object, char buf[MESSAGE_SIZE]) {
        size_t n = json_dumpb(object, buf, MESSAGE_SIZE, JSON_COMPACT);

        json_decref(object);
        return n;
}

static size_t request_dump(char buf[MESSAGE_SIZE]) {
        return dump_consume(json_pack("{s:s, s:{s:s, s:s}, s:b}", "method", INTERFACE_PREFIX "Open",
                                      "parameters", "endpoint", "bench", "access", "full", "more",
                                      1),
                            buf);
}

static size_t reply_dump(char buf[MESSAGE_SIZE]) {
        return dump_consume(json_pack("{s:{s:s, s:i, s:s, s:s, s:s, s:s, s:b}, s:b}", "parameters",
                                      "state", "granted", "connection", 0, "access", "full", "mode",
                                      "revocable", "requestId", "0123456789abcdef", "lease",
                                      "0123456789abcdef0123456789abcdef", "kept", 0, "continues",
                                      1),
                            buf);
}

static int message_read(const char *buf, size_t n) {
        json_t *object = json_loadb(buf, n, JSON_REJECT_DUPLICATES, NULL);

        if (!object)
                return -EBADMSG;
        json_decref(object);
        return 0;
}

/* The fields of the broker's record of a grant. */
static int record(const struct ucred *peer) {
        char message[128], uid[48], identity[48], pid[48];
        const char *const fields[] = {
                message,
                "MESSAGE_ID=1a30fb61defb4b3a9306772b585776e9",
                "PRIORITY=5",
                "SYSLOG_IDENTIFIER=bench-limit",
                "DOORWARD_ENDPOINT=bench",
                "DOORWARD_ACCESS=full",
                "DOORWARD_DECISION=authorized",
                "DOORWARD_HOW=implicit",
                "DOORWARD_ACTION=org.doorward.endpoint.bench.full",
                uid,
                identity,
                pid,
                "DOORWARD_CONNECT_AS=doorward-opener",
                "DOORWARD_LEASE=0123456789abcdef0123456789abcdef",
                "DOORWARD_MODE=revocable",
                "DOORWARD_REQUEST=0123456789abcdef",
        };
        struct iovec iov[ELEMENTSOF(fields)];

        (void)snprintf(message, sizeof(message),
                       "MESSAGE=Granted full access to bench to process %d of user %u.",
                       (int)peer->pid, (unsigned)peer->uid);
        (void)snprintf(uid, sizeof(uid), "DOORWARD_SUBJECT_UID=%u", (unsigned)peer->uid);
        (void)snprintf(identity, sizeof(identity), "DOORWARD_IDENTITY_UID=%u", (unsigned)peer->uid);
        (void)snprintf(pid, sizeof(pid), "DOORWARD_SUBJECT_PID=%d", (int)peer->pid);

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                iov[i] = (struct iovec){(void *)fields[i], strlen(fields[i])};
        return sd_journal_sendv(iov, ELEMENTSOF(iov));
}

/* The one who connects. */

_noreturn_ static void connector_main(const Limit *limit, int fd) {
        SocketAncillary ancillary;
        char byte;
        int backend;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (socket_receive(fd, &byte, 1, 0, &ancillary) > 0) {
                backend = bench_connect(limit->backend);
                if (socket_send(fd, "", 1, backend) < 0)
                        break;
                close_fd(backend);
                if (limit->mode == MODE_THRICE && record(&(struct ucred){}) < 0)
                        break;
        }
        _exit(EXIT_FAILURE);
}

static int connector_start(Limit *limit) {
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                connector_main(limit, pair[1]);

        close_fd(pair[1]);
        limit->connector = pair[0];
        return 0;
}

static int server_connect(const Limit *limit) {
        SocketAncillary ancillary;
        char byte;

        if (limit->mode == MODE_BARE)
                return bench_connect(limit->backend);
        if (socket_send(limit->connector, "", 1, -EBADF) < 0 ||
            socket_receive(limit->connector, &byte, 1, 1, &ancillary) < 0 || ancillary.n_fds != 1)
                return -EREMOTEIO;

        return ancillary.fds[0];
}

/* The server. */

static int server_serve(const Limit *limit, int client) {
        socklen_t n = sizeof(struct ucred), n_pidfd = sizeof(int);
        _cleanup_close_ int pidfd = -EBADF, backend = -EBADF;
        SocketAncillary ancillary;
        char buf[MESSAGE_SIZE] = "";
        struct ucred peer;
        size_t size = 1;
        ssize_t k;

        if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return -errno;
        (void)getsockopt(client, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n_pidfd);

        if (limit->mode >= MODE_RECORDED) {
                k = socket_receive(client, buf, sizeof(buf), 0, &ancillary);
                if (k <= 0 || message_read(buf, (size_t)k) < 0)
                        return -EBADMSG;
        }

        backend = server_connect(limit);
        if (backend < 0)
                return backend;

        if (limit->mode >= MODE_RECORDED) {
                if (record(&peer) < 0)
                        return -EREMOTEIO;
                size = reply_dump(buf);
        }

        k = socket_send(client, buf, size, backend);
        if (k < 0)
                return (int)k;

        /* Its end is when the client hangs up. */
        if (limit->mode == MODE_THRICE)
                return socket_receive(client, buf, sizeof(buf), 0, &ancillary) == 0 ? record(&peer)
                                                                                    : -EBADMSG;

        return 0;
}

_noreturn_ static void server_main(const Limit *limit) {
        int fd, r = 0;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (r == 0) {
                fd = accept4(limit->listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        break;
                r = server_serve(limit, fd);
                close_fd(fd);
        }
        fprintf(stderr, "bench-limit: the server ended: %s\n", strerror(r < 0 ? -r : errno));
        _exit(EXIT_FAILURE);
}

/* The client. */

static int client_exchange(const Limit *limit, int fd, SocketAncillary *ancillary) {
        char buf[MESSAGE_SIZE];
        ssize_t k;

        if (limit->mode >= MODE_RECORDED) {
                k = socket_send(fd, buf, request_dump(buf), -EBADF);
                if (k < 0)
                        return (int)k;
        }

        k = socket_receive(fd, buf, sizeof(buf), 1, ancillary);
        if (k <= 0 || ancillary->n_fds != 1)
                return -EREMOTEIO;

        return limit->mode >= MODE_RECORDED ? message_read(buf, (size_t)k) : 0;
}

static int open_once(void *userdata, uint64_t *ret_ns) {
        const Limit *limit = userdata;
        _cleanup_close_ int fd = -EBADF;
        SocketAncillary ancillary;
        uint64_t before = bench_now_ns();
        int r;

        fd = bench_connect(SOCKET_PATH);
        r = fd < 0 ? fd : client_exchange(limit, fd, &ancillary);
        *ret_ns = bench_now_ns() - before;
        if (r < 0)
                fprintf(stderr, "bench-limit: %s\n", strerror(-r));
        else
                close_fd(ancillary.fds[0]);

        return r;
}

static int server_start(Limit *limit) {
        pid_t pid;
        int r;

        r = limit->mode == MODE_BARE ? 0 : connector_start(limit);
        if (r < 0)
                return r;

        limit->listener = bench_listen(SOCKET_PATH);
        if (limit->listener < 0)
                return limit->listener;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                server_main(limit);

        return pid;
}

static int run(Limit *limit, const BenchGroup *groups, size_t n_groups, BenchTime duration) {
        pid_t server;
        int r;

        server = server_start(limit);
        if (server < 0)
                return server;

        r = bench_run(groups, n_groups, duration, open_once, limit);
        (void)kill(server, SIGKILL);
        (void)unlink(SOCKET_PATH);
        return r;
}

int main(int argc, char **argv) {
        Limit limit = {.mode = _MODE_MAX, .listener = -EBADF, .connector = -EBADF};
        BenchGroup groups[BENCH_GROUPS_MAX];
        size_t n = 0;
        int r;

        for (Mode mode = 0; argc > 1 && mode < _MODE_MAX; mode++)
                if (streq(argv[1], mode_names[mode]))
                        limit.mode = mode;
        if (argc < 5 || (size_t)argc - 4 > BENCH_GROUPS_MAX || limit.mode == _MODE_MAX) {
                fputs("Usage: bench-limit bare|separated|recorded|thrice BACKEND SECONDS "
                      "USER:CLIENTS...\n",
                      stderr);
                return EXIT_FAILURE;
        }

        limit.backend = argv[2];
        for (int i = 4; i < argc; i++)
                if (bench_group_parse(argv[i], &groups[n++]) < 0) {
                        fprintf(stderr, "%s is not USER:CLIENTS\n", argv[i]);
                        return EXIT_FAILURE;
                }

        r = run(&limit, groups, n, bench_time_parse(argv[3]));
        if (r < 0)
                fprintf(stderr, "bench-limit: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
