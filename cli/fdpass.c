/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/keeper.h"
#include "cli/report.h"
#include "common/socket.h"
#include "policy/definition.h"

/* That it names to its helper where its user has named none. */
#define QEMU_BRIDGE "br0"

/* -1, or the exit status. */
static int socket_check(const Options *options, int fd) {
        if (socket_option_is(fd, SO_DOMAIN, AF_UNIX))
                return -1;

        return report_problem(
                options, DOORWARD_ERR_UNSUPPORTED,
                "A descriptor can only be passed over one: this command is for programs that call "
                "it, as in ssh -o ProxyUseFdpass=yes -o ProxyCommand='doorward fdpass ENDPOINT'. "
                "In a shell, 'doorward exec' and 'doorward stdio' serve.",
                "%s is not a unix socket.",
                options->fd >= 0 ? "The descriptor that --fd= names" : "Standard output");
}

/* The definition that the broker goes by, where that is this machine's. NULL: it is not, or cannot
 * be read here, and will be found wanting there. */
static Definition *tap_definition(const Argument *argument) {
        _cleanup_(strv_freep) char **folders = NULL;
        Definition *definition = NULL;

        if (uri_is_remote(&argument->uri) || definition_folders("", &folders) < 0 ||
            definition_load_for_opener(folders, 0, argument->name.endpoint, &definition) < 0)
                return NULL;
        return definition;
}

/* What qemu asks of such a helper is checked before anybody is asked for a password: -1, or the
 * exit status. Whether the frames have headers the definition decides, and qemu looks at what it
 * got. */
static int tap_check(const Options *options, const Argument *argument) {
        _cleanup_(definition_freep) Definition *definition = tap_definition(argument);
        const char *endpoint = argument->uri.endpoint, *bridge = NULL;

        if (definition && definition->targets[ACCESS_FULL].provided) {
                bridge = definition->targets[ACCESS_FULL].bridge;
                if (definition->targets[ACCESS_FULL].kind != KIND_TAP)
                        return report_problem(
                                options, DOORWARD_ERR_UNSUPPORTED,
                                "'doorward list' shows which endpoints there are; "
                                "'tun' is the one that is shipped.",
                                "--use-vnet and --br ask for a network tap, and %s is "
                                "none.",
                                endpoint);
        }

        if (!options->bridge || streq(options->bridge, bridge ?: QEMU_BRIDGE))
                return -1;
        if (bridge)
                return report_problem(options, DOORWARD_ERR_UNSUPPORTED,
                                      "Write the definition's bridge behind br=: without one, qemu "
                                      "asks for " QEMU_BRIDGE ".",
                                      "What %s gives is put into the bridge %s, and %s is wanted.",
                                      endpoint, bridge, options->bridge);
        return report_problem(options, DOORWARD_ERR_UNSUPPORTED,
                              "Which bridge it is stands in the definition of an endpoint, as "
                              "Bridge=, and an administrator can put it there.",
                              "What %s gives is put into no bridge, and %s is wanted.", endpoint,
                              options->bridge);
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
        status = options_has(options, OPTION_TAP) ? tap_check(options, &argument) : -1;
        if (status >= 0)
                return status;

        status = socket_check(options, fd);
        if (status >= 0)
                return status;

        r = keeper_pin_maker(fd, true, &maker);
        if (r != 0)
                return maker_error(options, r);

        return keeper_run_consume_fd(options, &argument, fd, maker);
}
