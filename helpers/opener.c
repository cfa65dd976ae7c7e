/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-opener NAME: opens one endpoint
 *
 * systemd starts an instance for each definition, with what that definition needs and nothing else.
 * It is asked by the broker, over a socket that is only the broker's, and believes nothing of what
 * it hears but which access and which instance are wanted: what is opened stands in the definition,
 * and for whom says the client's own connection.
 *
 * What is promised, and when:
 *   1. from its exec on: no other process of this uid can look into this one (until the first
 *      statement, because its users cannot read the file that it is);
 *   2. before the first connection: it holds no more than its definition says, or does not run;
 *   3. before each request: the definition is the one that its powers were cut for;
 *   4. where it can become others (ConnectAs=client): it walks no path, and reaches no service.
 * What does has become the client before, for good.
 */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "common/activation.h"
#include "common/complain.h"
#include "common/name.h"
#include "common/peer.h"
#include "common/socket.h"
#include "common/userfile.h"
#include "config.h"
#include "helpers/opener-power.h"
#include "helpers/opener-server.h"

/* Fills in what the definition decides: 0, or -errno if this must not go on. peer_name outlives the
 * definition, which is read again. */
static int prepare(OpenerServer *server, char **peer_name, OpenerReply *lack) {
        OpenerPower power;
        int r;

        r = opener_power_read(&power);
        if (r < 0) {
                complain("What this process holds cannot be found out: %s", strerror(-r));
                return r;
        }

        r = opener_definition_refresh(server->definition, lack);
        if (r == 0)
                r = opener_power_judge(&power, server->definition->definition, server->broker,
                                       USERFILE_PASSWD, USERFILE_GROUP, &server->path.peer, lack);
        if (r < 0)
                complain("This process can do more than its definition says, and will not run: "
                         "%s. See what a drop-in, or a line of " USERFILE_GROUP ", adds to it.",
                         lack->detail);
        else if (r > 0)
                server->lack = lack;
        else if (server->definition->definition->peer_user) {
                *peer_name = strdup(server->definition->definition->peer_user);
                server->path.peer_name = *peer_name;
        }

        return r < 0 ? r : 0;
}

static int serve(const char *name, const char *hash, int listener) {
        _cleanup_(opener_definition_deinit) OpenerDefinition definition = {};
        _cleanup_(opener_record_deinit) OpenerRecord record = OPENER_RECORD_NULL;
        _cleanup_(opener_mounts_deinit) OpenerMounts mounts = {};
        _cleanup_(opener_server_deinit) OpenerServer server;
        _cleanup_close_ int root_fd = -EBADF, end = -EBADF;
        _cleanup_free_ char *peer_name = NULL;
        OpenerReply lack = {};
        int r;

        opener_server_init(&server);
        r = complain_find_broker(&server.broker);
        if (r < 0)
                return r;

        root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        r = activation_get_end(&end);
        if (r < 0)
                return r;
        r = opener_definition_init(&definition, "", 0, name, hash);
        if (r < 0)
                return r;

        record.endpoint = name;
        server.listener = listener;
        server.end = end;
        server.caller = (CallerRules){BROKER_SOCKET, getuid(), server.broker};
        server.path =
                (OpenerPathRules){.mounts = &mounts, .root_fd = root_fd, .peer = PEER_UID_INVALID};
        server.definition = &definition;
        server.record = &record;
        r = prepare(&server, &peer_name, &lack);
        if (r == 0)
                r = opener_server_run(&server);
        if (r == 0 && server.useless)
                (void)poll(NULL, 0, ACTIVATION_USELESS_MSEC);

        return r;
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), r;
        char path[sizeof(OPENER_SOCKET_DIR) + 1 + NAME_ENDPOINT_MAX];
        /* Without a drop-in there is none: no definition has that hash, and requests are told so.
         */
        const char *hash = getenv("DOORWARD_DEFINITION") ?: "";

        if (undumpable < 0) {
                complain("This process cannot be hidden from others of its user: %m");
                return EXIT_FAILURE;
        }
        if (argc != 2 || !name_is_valid_endpoint(argv[1])) {
                complain("Usage: doorward-opener NAME. It is started by "
                         "doorward-opener@NAME.socket.");
                return EXIT_FAILURE;
        }

        (void)snprintf(path, sizeof(path), "%s/%s", OPENER_SOCKET_DIR, argv[1]);
        r = activation_take_listener(path);
        if (r < 0) {
                complain("The socket %s was not passed on: %s. Start doorward-opener@%s.socket "
                         "instead.",
                         path, strerror(-r), argv[1]);
                return EXIT_FAILURE;
        }

        if (serve(argv[1], hash, ACTIVATION_FD) == 0)
                return EXIT_SUCCESS;

        activation_turn_away(ACTIVATION_FD);
        return EXIT_FAILURE;
}
