/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-filter: a read-only view of a service that has none
 *
 * doorward-filter-listener starts one for each connection of the broker, which passes one raw
 * connection to a service. The client gets the end of a pair of sockets, and this process stands
 * between the two for as long as that lasts. Who holds the raw connection may do all that the
 * service does, so this is trusted base, and small.
 *
 * What is promised, and when:
 *   1. from its exec on: no other process of this uid can look into this one;
 *   2. before the request: it is not root, and has no capability;
 *   3. before the client's first byte: the request came from the broker, and nothing is left but to
 *      read, write, wait and end, with the descriptors that are there.
 */

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/asker.h"
#include "common/capabilities.h"
#include "common/complain.h"
#include "common/filter-profile.h"
#include "helpers/filter-broker.h"
#include "helpers/filter-relay.h"
#include "helpers/filter-sandbox.h"

#define REQUEST_MSEC 5000
/* What the kernel keeps for a client that does not read, for as long as that has its end, whatever
 * became of this process: twice as much, by socket(7). */
#define CLIENT_UNREAD_MAX (16 * 1024)

/* What this process holds that it should not; NULL if it is as it should be. */
static const char *find_fault(void) {
        Capabilities capabilities;

        if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0)
                return "it runs as root";
        if (capabilities_read(&capabilities) < 0)
                return "its capabilities cannot be read";
        if (capabilities.held | capabilities.bounding)
                return "it has capabilities, or could get them";
        return NULL;
}

static int connect_broker(Asker *broker) {
        const char *fault = find_fault();
        uid_t uid;
        int r;

        if (fault) {
                complain("This process does not run as doorward-filter.service has it: %s.", fault);
                return -EPERM;
        }
        r = complain_find_broker(&uid);
        if (r < 0)
                return r;

        r = asker_init(broker, FILTER_BROKER_FD, uid);
        if (r < 0)
                complain("Not asked by the broker: %s", strerror(-r));
        return r;
}

/* Makes the pair, of which the client gets one end. */
static int grant(const Asker *broker, int *ret_client) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        const int unread = CLIENT_UNREAD_MAX;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &unread, sizeof(unread)) < 0)
                return -errno;
        r = filter_broker_grant(broker, theirs);
        if (r == 0)
                *ret_client = TAKE_FD(ours);
        return r;
}

/* All but the relaying itself. The relay's descriptors are this process's to its end. */
static int begin(const Asker *broker, FilterRelay *relay) {
        /* Of fixed size, and there to the end: nothing is allocated later. */
        static FilterRequest request;
        static FilterSession session;
        _cleanup_close_ int service = -EBADF, client = -EBADF;
        int profile, r;

        r = filter_broker_receive(broker, REQUEST_MSEC, &request, &service);
        if (r < 0) {
                filter_broker_refuse(broker, -r, "the filter was not asked in the right way");
                return r;
        }
        profile = filter_profile_find(request.filter, request.profile);
        if (profile < 0) {
                filter_broker_refuse(broker, -profile, "there is no such filter or profile");
                return profile;
        }

        filter_session_init(&session, request.endpoint, (FilterProfile)profile);
        r = grant(broker, &client);
        if (r == 0)
                r = filter_sandbox_enter();
        if (r < 0)
                return r;

        *relay = (FilterRelay){
                .client = TAKE_FD(client),
                .service = TAKE_FD(service),
                .broker = broker->fd,
                .session = &session,
                .linger_msec = FILTER_LINGER_MSEC,
        };
        return 0;
}

/* Other filters have them, too, and shutdown(2) would be of theirs. */
static void close_standard(void) {
        for (int fd = 0; fd < FILTER_BROKER_FD; fd++)
                close_fd(fd);
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), r;
        FilterRelay relay;
        Asker broker;

        if (undumpable < 0) {
                complain("This process cannot be hidden from others of its user: %m");
                return EXIT_FAILURE;
        }
        if (argc != 1 || fcntl(FILTER_BROKER_FD, F_SETFD, FD_CLOEXEC) < 0) {
                complain("It is started by doorward-filter.service, for one connection.");
                return EXIT_FAILURE;
        }

        r = connect_broker(&broker);
        if (r == 0)
                r = begin(&broker, &relay);
        if (r < 0) {
                complain("The connection was not filtered: %s", strerror(-r));
                return EXIT_FAILURE;
        }

        /* From here on there is nowhere to complain. */
        close_standard();
        return filter_relay_run(&relay) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
