/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/report.h"
#include "common/pump.h"

/* For how long it is waited for why the endpoint has hung up. */
#define WORD_MS 100

typedef struct Watched {
        const Options *options;
        doorward_conn *conn;
        bool over; /* it has been said what has become of the lease */
} Watched;

static PumpWatch stdio_watch(void *userdata) {
        Watched *watched = userdata;

        watched->over = !grant_watch(watched->options, watched->conn);
        return watched->over ? PUMP_WATCH_OFF : PUMP_WATCH_ON;
}

/* Why a lease has ended is said right after it was cut. If the service itself has hung up, that is
 * its end, too. */
static void stdio_wait_for_word(Watched *watched) {
        const doorward_conn *conn = watched->conn;
        struct pollfd endpoint = {.fd = conn->fd};
        struct pollfd control = {.fd = conn_get_control_fd(conn), .events = POLLIN};

        if (!watched->over && conn->mode == LEASE_MODE_REVOCABLE && poll(&endpoint, 1, 0) > 0 &&
            endpoint.revents & POLLHUP && poll(&control, 1, WORD_MS) > 0)
                (void)stdio_watch(watched);
}

static int stdio_error(const Options *options, int error, PumpSide side, const char *endpoint) {
        static const char *const names[] = {
                [PUMP_INPUT] = "Standard input",
                [PUMP_OUTPUT] = "Standard output",
        };
        const char *name = side == PUMP_ENDPOINT ? endpoint : names[side];

        if (error == -EMEDIUMTYPE)
                return report_problem(
                        options, DOORWARD_ERR_UNSUPPORTED,
                        "Write 'exec' in place of 'stdio', and behind the endpoint the program "
                        "that is to have it: that gets the descriptor itself.",
                        "%s keeps the boundaries of messages, and a stream of bytes loses them.",
                        name);

        return report_errno(options, error, "%s", name);
}

static int stdio_join(const Options *options, doorward_conn *conn) {
        Watched watched = {.options = options, .conn = conn};
        PumpSpec spec = {
                .input = STDIN_FILENO,
                .output = STDOUT_FILENO,
                .endpoint = conn->fd,
                .watch_fd = conn_get_control_fd(conn),
                .watch = stdio_watch,
                .userdata = &watched,
        };
        PumpSide side = PUMP_ENDPOINT;
        int r;

        /* Each frame of a network device is one read(2), as each message of such a socket is. */
        r = conn->kind == KIND_TAP || conn->kind == KIND_SEQPACKET ? -EMEDIUMTYPE
                                                                   : pump_run(&spec, &side);
        stdio_wait_for_word(&watched);

        return r < 0 ? stdio_error(options, r, side, conn->uri.endpoint) : EXIT_STATUS_OK;
}

int command_stdio(const Options *options, char **arguments, size_t n) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        Argument argument;
        int status, r;

        status = grant_read_argument(options, n > 0 ? arguments[0] : NULL, false, &argument);
        if (status >= 0)
                return status;

        (void)signal(SIGPIPE, SIG_IGN);
        r = grant_open(options, &argument, &conn, &error);
        return r < 0 ? report_error(options, &error) : stdio_join(options, conn);
}
