/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-filter direct|filtered ping|list|inspect SECONDS USER:1
 *
 * What one request costs on a connection that is kept: to a service that answers at once, and to
 * the same through the filter's relay in its sandbox. Client, relay and service are a process each.
 * A list has 20 containers; what is inspected, some 5 KB.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "helpers/filter-relay.h"
#include "helpers/filter-sandbox.h"
#include "tests/bench/bench.h"

#define N_CONTAINERS 20
#define N_VARIABLES 60
#define LAST_CHUNK "0\r\n\r\n"

typedef struct Subject {
        bool filtered;
        const char *path;
        char answer[16384]; /* the service's, head and all */
        size_t n_answer;
        int fd; /* the client's connection, once there is one */
} Subject;

static void append(Subject *subject, const char *text) {
        size_t n = strlen(text);

        if (subject->n_answer + n >= sizeof(subject->answer))
                abort();
        memcpy(subject->answer + subject->n_answer, text, n + 1);
        subject->n_answer += n;
}

static void append_list(Subject *subject) {
        append(subject, "[");
        for (int i = 0; i < N_CONTAINERS; i++)
                append(subject,
                       "{\"Id\":\"4f5c0e1b2a4f5c0e1b2a4f5c0e1b2a4f5c0e1b2a\",\"Names\":[\"/web\"],"
                       "\"Image\":\"web:1\",\"Command\":\"/bin/web --token "
                       "a\",\"Created\":1700000000,"
                       "\"Ports\":[{\"PrivatePort\":80,\"Type\":\"tcp\"}],\"Labels\":{\"a\":\"b\"},"
                       "\"State\":\"running\",\"Status\":\"Up 3 days\"},\n");
        append(subject, "{}]");
}

static void append_inspect(Subject *subject) {
        append(subject,
               "{\"Id\":\"4f5c0e1b2a\",\"State\":{\"Status\":\"running\",\"Pid\":1},\"Env\":[");
        for (int i = 0; i < N_VARIABLES; i++)
                append(subject, "\"PASSWORD=correct horse battery staple\",");
        append(subject, "\"A=b\"],\"Mounts\":[");
        for (int i = 0; i < N_VARIABLES; i++)
                append(subject, "{\"Type\":\"bind\",\"Source\":\"/srv\",\"RW\":true},");
        append(subject, "{}]}");
}

/* The head, with the length of a body that is built first. */
static int make_answer(Subject *subject, const char *what) {
        bool ping = streq(what, "ping");
        char body[sizeof(subject->answer)], head[128];

        subject->path = ping                  ? "/_ping"
                        : streq(what, "list") ? "/containers/json"
                                              : "/containers/a/json";
        if (ping)
                append(subject, "OK");
        else if (streq(what, "list"))
                append_list(subject);
        else if (streq(what, "inspect"))
                append_inspect(subject);
        else
                return -EINVAL;

        (void)strcpy(body, subject->answer);
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                       ping ? "text/plain" : "application/json", subject->n_answer);
        subject->n_answer = 0;
        append(subject, head);
        append(subject, body);
        return 0;
}

_noreturn_ static void service_main(const Subject *subject, int fd) {
        char buf[HTTP_HEAD_MAX];

        /* One request at a time, each of which comes in one piece. */
        while (recv(fd, buf, sizeof(buf), 0) > 0)
                if (send(fd, subject->answer, subject->n_answer, MSG_NOSIGNAL) < 0)
                        break;
        _exit(EXIT_SUCCESS);
}

_noreturn_ static void relay_main(int client, int service, int broker) {
        static FilterSession session;
        FilterRelay relay = {
                .client = client,
                .service = service,
                .broker = broker,
                .session = &session,
                .linger_msec = FILTER_LINGER_MSEC,
        };
        int r;

        filter_session_init(&session, "docker", FILTER_DOCKER_INSPECT);
        r = filter_sandbox_enter();
        if (r == 0)
                r = filter_relay_run(&relay);
        _exit(r == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int make_pair(int type, int *ret_first, int *ret_second) {
        int pair[2];

        if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        *ret_first = pair[0];
        *ret_second = pair[1];
        return 0;
}

/* What is started here ends with its connections, and those with this process. */
static int subject_connect(Subject *subject) {
        _cleanup_close_ int client = -EBADF, far = -EBADF, raw = -EBADF, service = -EBADF;
        int broker = -EBADF, broker_far = -EBADF;
        pid_t pid;

        if (make_pair(SOCK_STREAM, &client, &far) < 0 ||
            make_pair(SOCK_STREAM, &raw, &service) < 0 ||
            make_pair(SOCK_SEQPACKET, &broker, &broker_far) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                close_fd(client);
                close_fd(far);
                close_fd(raw);
                close_fd(broker);
                service_main(subject, service);
        }
        if (pid > 0 && subject->filtered) {
                pid = fork();
                if (pid == 0) {
                        close_fd(client);
                        close_fd(service);
                        close_fd(broker);
                        relay_main(far, raw, broker_far);
                }
        }
        if (pid < 0)
                return -errno;

        subject->fd = subject->filtered ? TAKE_FD(client) : TAKE_FD(raw);
        return 0;
}

/* Whether this is the end of the answer. */
static bool is_whole(const Subject *subject, const char *end, size_t n) {
        return subject->filtered
                       ? memcmp(end - strlen(LAST_CHUNK), LAST_CHUNK, strlen(LAST_CHUNK)) == 0
                       : n == subject->n_answer;
}

static int ask_once(void *userdata, uint64_t *ret_ns) {
        char request[256], buf[2 * sizeof(((Subject *)NULL)->answer)];
        uint64_t begin = bench_now_ns();
        Subject *subject = userdata;
        size_t used = 0;
        int n;

        if (subject->fd < 0 && subject_connect(subject) < 0)
                return -errno;
        n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: d\r\n\r\n", subject->path);
        if (send(subject->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
                return -errno;

        do {
                ssize_t got = recv(subject->fd, buf + used, sizeof(buf) - used, 0);

                if (got <= 0)
                        return -EPIPE;
                used += (size_t)got;
        } while (used < strlen(LAST_CHUNK) || !is_whole(subject, buf + used, used));

        *ret_ns = bench_now_ns() - begin;
        return memcmp(buf, "HTTP/1.1 200", 12) == 0 ? 0 : -EPROTO;
}

int main(int argc, char **argv) {
        static Subject subject = {.fd = -EBADF};
        BenchGroup group;

        if (argc != 5 || make_answer(&subject, argv[2]) < 0 ||
            bench_group_parse(argv[4], &group) < 0) {
                fprintf(stderr, "bench-filter direct|filtered ping|list|inspect SECONDS USER:1\n");
                return EXIT_FAILURE;
        }

        subject.filtered = streq(argv[1], "filtered");
        return bench_run(&group, 1, bench_time_parse(argv[3]), ask_once, &subject) < 0
                       ? EXIT_FAILURE
                       : EXIT_SUCCESS;
}
