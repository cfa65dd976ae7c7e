/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-client library|wire|more ENDPOINT SECONDS USER:CLIENTS
 * bench-client library|wire|more ENDPOINT COUNTx
 *
 * What an open with full access takes of the client's own processor time, in the kernel and out of
 * it: by doorward_open(), or by hand. By hand is the least that gets a descriptor: the same call on
 * the broker's socket, and the reply read up to its end. It looks at nothing: not at who answers,
 * nor at what. The close is not in it; both leave two descriptors to close. "more" does one after
 * the other, and is what the library takes more: the kernel charges whoever wakes another
 * processor, and that differs from one moment to the next more than these two do. With a count it
 * does so many as whoever runs it, and measures nothing: for tools that count.
 */

#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "client/doorward.h"
#include "common/macros.h"
#include "config.h"
#include "tests/bench/bench.h"

#define NAME_MAX_BYTES 64U
#define REPLY_MAX 4096U

typedef struct Client {
        BenchFunc open;
        char uri[NAME_MAX_BYTES + 16];
        char call[NAME_MAX_BYTES + 128];
        size_t n_call; /* with the NUL that ends it */
} Client;

static uint64_t cpu_now_ns(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int library_open(void *userdata, uint64_t *ret_ns) {
        const Client *client = userdata;
        uint64_t before = cpu_now_ns();
        doorward_conn *conn = doorward_open(client->uri);

        *ret_ns = cpu_now_ns() - before;
        if (!conn) {
                fprintf(stderr, "%s: %s\n", client->uri, doorward_get_last_error_message());
                return -EREMOTEIO;
        }

        (void)doorward_close(conn);
        return 0;
}

/* The reply, and the descriptor that comes with it; -EBADF if none does. */
static int wire_receive(int fd) {
        char reply[REPLY_MAX];
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        int received = -EBADF;
        ssize_t n;

        do {
                struct iovec iov = {.iov_base = reply, .iov_len = sizeof(reply)};
                struct msghdr message = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };

                n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
                if (n > 0 && CMSG_FIRSTHDR(&message))
                        memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(received));
        } while (n > 0 && reply[n - 1] != 0);

        return received;
}

static int wire_open(void *userdata, uint64_t *ret_ns) {
        const Client *client = userdata;
        _cleanup_close_ int fd = -EBADF, received = -EBADF;
        uint64_t before = cpu_now_ns();

        fd = bench_connect(BROKER_SOCKET);
        if (fd >= 0 && send(fd, client->call, client->n_call, MSG_NOSIGNAL) > 0)
                received = wire_receive(fd);

        *ret_ns = cpu_now_ns() - before;
        if (received < 0)
                fputs("The broker gave no descriptor\n", stderr);
        return received < 0 ? -EREMOTEIO : 0;
}

static int more_open(void *userdata, uint64_t *ret_ns) {
        uint64_t by_hand, ns;
        int r;

        r = wire_open(userdata, &by_hand);
        if (r == 0)
                r = library_open(userdata, &ns);
        if (r == 0)
                *ret_ns = ns > by_hand ? ns - by_hand : 0;
        return r;
}

static const struct {
        const char *name;
        BenchFunc open;
} ways[] = {
        {"library", library_open},
        {"wire", wire_open},
        {"more", more_open},
};

static int client_parse(const char *how, const char *endpoint, Client *ret) {
        *ret = (Client){};
        for (size_t i = 0; i < ELEMENTSOF(ways); i++)
                if (streq(how, ways[i].name))
                        ret->open = ways[i].open;
        if (!ret->open || strlen(endpoint) > NAME_MAX_BYTES)
                return -EINVAL;

        (void)snprintf(ret->uri, sizeof(ret->uri), "doorward:///%s", endpoint);
        ret->n_call = 1 + (size_t)snprintf(ret->call, sizeof(ret->call),
                                           "{\"method\":\"org.doorward.Broker.Open\","
                                           "\"parameters\":{\"endpoint\":\"%s\","
                                           "\"access\":\"full\"},\"more\":true}",
                                           endpoint);
        return 0;
}

int main(int argc, char **argv) {
        BenchGroup group;
        Client client;
        uint64_t ns;
        int r = 0;

        if (argc < 4 || argc > 5 || client_parse(argv[1], argv[2], &client) < 0 ||
            (argc == 5 && bench_group_parse(argv[4], &group) < 0)) {
                fputs("Usage: bench-client library|wire|more ENDPOINT SECONDS USER:CLIENTS\n"
                      "       bench-client library|wire|more ENDPOINT COUNTx\n",
                      stderr);
                return EXIT_FAILURE;
        }

        if (argc == 5)
                r = bench_run(&group, 1, bench_time_parse(argv[3]), client.open, &client);
        else
                for (long i = strtol(argv[3], NULL, 10); i > 0 && r == 0; i--)
                        r = client.open(&client, &ns);

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
