/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>

#include "tests/support/wires.h"

typedef struct Wires {
        struct pollfd
                polls[WIRES_MAX]; /* the listener, and the wires; -EBADF where one has ended */
        bool wants_more[WIRES_MAX];
        unsigned n;
} Wires;

static void wires_accept(Wires *wires, FakeBroker *broker) {
        int fd = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC);

        for (unsigned i = 1; i < WIRES_MAX; i++)
                if (i == wires->n || wires->polls[i].fd < 0) {
                        wires->polls[i] = (struct pollfd){.fd = fd, .events = POLLIN};
                        wires->wants_more[i] = false;
                        wires->n = i == wires->n ? i + 1 : wires->n;
                        return;
                }

        fake_fail(broker, "there are too many wires");
        close_fd(fd);
}

/* Calls are short, and come whole. */
static void wires_hear(Wires *wires, unsigned i, FakeBroker *broker, WiresAnswer answer) {
        char call[4096];
        ssize_t n = recv(wires->polls[i].fd, call, sizeof(call) - 1, 0);

        if (n <= 0) {
                wires->polls[i].fd = close_fd(wires->polls[i].fd);
                return;
        }

        call[n] = 0;
        wires->wants_more[i] = strstr(call, "\"more\":true");
        broker->fd = wires->polls[i].fd;
        answer(broker, call);
        broker->fd = -EBADF;
}

static void wires_end(Wires *wires, FakeBroker *broker, const char *last_words) {
        for (unsigned i = 1; i < wires->n; i++)
                if (wires->polls[i].fd >= 0 && wires->wants_more[i]) {
                        broker->fd = wires->polls[i].fd;
                        fake_send(broker, last_words);
                        broker->fd = -EBADF;
                        wires->wants_more[i] = false;
                }
}

void wires_serve(FakeBroker *broker, WiresAnswer answer, const bool *is_ending,
                 const char *last_words) {
        _cleanup_free_ Wires *wires = calloc(1, sizeof(*wires));

        if (!wires) {
                fake_fail(broker, "there is no memory");
                return;
        }

        wires->polls[0] = (struct pollfd){.fd = broker->listener, .events = POLLIN};
        wires->n = 1;
        while (!fake_broker_is_stopping(broker)) {
                if (poll(wires->polls, wires->n, 10) < 0)
                        fake_fail(broker, "poll: %s", strerror(errno));
                for (unsigned i = 1; i < wires->n; i++)
                        if (wires->polls[i].fd >= 0 && wires->polls[i].revents)
                                wires_hear(wires, i, broker, answer);
                if (wires->polls[0].revents)
                        wires_accept(wires, broker);
                if (is_ending && __atomic_load_n(is_ending, __ATOMIC_ACQUIRE))
                        wires_end(wires, broker, last_words);
        }

        for (unsigned i = 1; i < wires->n; i++)
                close_fd(wires->polls[i].fd);
}
