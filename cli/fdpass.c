/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/keeper.h"
#include "cli/report.h"

/* -1, or the exit status. */
static int socket_check(const Options *options, int fd) {
        socklen_t n = sizeof(int);
        int domain;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX)
                return -1;

        return report_problem(
                options, DOORWARD_ERR_UNSUPPORTED,
                "A descriptor can only be passed over one: this command is for programs that call "
                "it, as in ssh -o ProxyUseFdpass=yes -o ProxyCommand='doorward fdpass ENDPOINT'. "
                "In a shell, 'doorward exec' and 'doorward stdio' serve.",
                "%s is not a unix socket.",
                options->fd >= 0 ? "The descriptor that --fd= names" : "Standard output");
}

static int maker_error(const Options *options, int error) {
        if (error == KEEPER_E_GONE)
                return report_problem(options, DOORWARD_ERR_INVALID_CONN,
                                      "There is nobody left to pass a descriptor to.",
                                      "The program that made the socket has ended.");
        if (error == KEEPER_E_UNKNOWN)
                return report_problem(
                        options, DOORWARD_ERR_INVALID_CONN,
                        "Before Linux 6.5 the program that made it must be the one that starts "
                        "this command; a socket that systemd made cannot be used.",
                        "It cannot be told which process made the socket, so nobody would know "
                        "when the lease is to end.");

        return report_errno(options, error, "Cannot find out who made the socket");
}

int command_fdpass(const Options *options, char **arguments, size_t n) {
        int fd = options->fd >= 0 ? options->fd : STDOUT_FILENO;
        int maker, status, r;
        Argument argument;

        status = grant_read_argument(options, n > 0 ? arguments[0] : NULL, false, &argument);
        if (status >= 0)
                return status;
        if (options_has(options, OPTION_TAP))
                return report_problem(options, DOORWARD_ERR_UNSUPPORTED,
                                      "Without them any endpoint's descriptor can be passed, with "
                                      "--fd=N.",
                                      "--use-vnet and --br ask for a network tap, and this version "
                                      "has no endpoints of that kind.");

        status = socket_check(options, fd);
        if (status >= 0)
                return status;

        r = keeper_pin_maker(fd, true, &maker);
        if (r != 0)
                return maker_error(options, r);

        return keeper_run_consume_fd(options, &argument, fd, maker);
}
