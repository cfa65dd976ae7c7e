/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/socket.h>

#include "config.h"

#include "client/channel.h"
#include "client/launch.h"
#include "client/remote-program.h"
#include "common/transport-protocol.h"

extern char **environ;

/* doorward-transport, ssh, ten that may follow, the command, NULL. */
#define ARGUMENTS_MAX 16U

typedef struct Arguments {
        const char *all[ARGUMENTS_MAX];
        size_t n;
        char port[8];
        char command[URI_COMMAND_MAX + sizeof(" relay")];
} Arguments;

void remote_origin(const Uri *uri, char buf[REMOTE_ORIGIN_SIZE]) {
        const char *name = uri->host;

        if (uri->transport == URI_EXT) {
                name = strrchr(uri->command, '/');
                name = name ? name + 1 : uri->command;
        }

        (void)snprintf(buf, REMOTE_ORIGIN_SIZE, "%s%s%.*s: ", uri->user, uri->user[0] ? "@" : "",
                       (int)URI_HOST_MAX, name);
}

static void add(Arguments *arguments, const char *argument) {
        arguments->all[arguments->n++] = argument;
}

/* Where it is not said, the command is whatever the user there finds under that name. */
static void add_ssh(Arguments *arguments, const Uri *uri, bool may_ask) {
        add(arguments, "ssh");
        if (uri->port > 0) {
                (void)snprintf(arguments->port, sizeof(arguments->port), "%u", uri->port);
                add(arguments, "-p");
                add(arguments, arguments->port);
        }
        if (uri->user[0]) {
                add(arguments, "-l");
                add(arguments, uri->user);
        }
        if (uri->keyfile[0]) {
                add(arguments, "-i");
                add(arguments, uri->keyfile);
        }
        if (!may_ask) {
                add(arguments, "-o");
                add(arguments, "BatchMode=yes");
        }
        add(arguments, "-T");
        add(arguments, "-e");
        add(arguments, "none");
        add(arguments, "--");
        add(arguments, uri->host);

        (void)snprintf(arguments->command, sizeof(arguments->command), "%s relay",
                       uri->command[0] ? uri->command : "doorward");
        add(arguments, arguments->command);
}

static void add_ext(Arguments *arguments, const Uri *uri) {
        add(arguments, uri->command);
        add(arguments, "relay");
}

/* Both above the standard streams. */
static int make_pair(int type, int *ret_ours, int *ret_theirs) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int ends[2];

        if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = channel_move_fd_consume(ends[0]);
        theirs = channel_move_fd_consume(ends[1]);
        if (ours < 0 || theirs < 0)
                return ours < 0 ? ours : theirs;

        *ret_ours = TAKE_FD(ours);
        *ret_theirs = TAKE_FD(theirs);
        return 0;
}

static int launch(const Arguments *arguments, bool stays, int *ret_control, int *ret_data) {
        static const TransportMessage last_words = {
                .type = TRANSPORT_ENDED,
                .how = TRANSPORT_NOT_RUN,
                .text = TRANSPORT_PROGRAM,
        };
        _cleanup_close_ int control = -EBADF, data = -EBADF;
        uint8_t buf[TRANSPORT_MESSAGE_SIZE];
        const LaunchSpec spec = {
                .program = TRANSPORT_PROGRAM,
                .arguments = (char *const *)arguments->all,
                .environment = environ,
                .stays = stays,
                .last_words = buf,
                .n_last_words = transport_message_encode(&last_words, buf),
        };
        int theirs[2], r;

        r = make_pair(SOCK_SEQPACKET, &control, &theirs[0]);
        if (r < 0)
                return r;
        r = make_pair(SOCK_STREAM, &data, &theirs[1]);
        if (r < 0) {
                close_fd(theirs[0]);
                return r;
        }

        r = launch_consume_fds(&spec, theirs, ELEMENTSOF(theirs));
        if (r < 0)
                return r;

        *ret_control = TAKE_FD(control);
        *ret_data = TAKE_FD(data);
        return 0;
}

/* ssh would do what the environment says, with what the program has gained. */
static int fail_privileged(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_UNSUPPORTED, EPERM,
                  "A program that gained privileges when it was executed starts no other to reach "
                  "another machine.");
        return -EPERM;
}

int remote_program_launch(const Uri *uri, bool may_ask, int *ret_control, int *ret_data,
                          doorward_error *error) {
        Arguments arguments = {.all = {"doorward-transport"}, .n = 1};
        int r;

        if (getauxval(AT_SECURE))
                return fail_privileged(error);

        if (uri->transport == URI_SSH)
                add_ssh(&arguments, uri, may_ask);
        else
                add_ext(&arguments, uri);

        r = launch(&arguments, may_ask, ret_control, ret_data);
        return r < 0 ? error_system(error, r, "What leads to the other machine cannot be started")
                     : 0;
}
