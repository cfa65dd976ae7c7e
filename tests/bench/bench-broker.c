/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-broker
 *
 * The broker with an authority that says yes at once, to see what everything but polkit costs. It
 * takes the place of doorwardd in doorward.service, in a throw-away machine; it is not installed.
 */

#include <stdio.h>
#include <sys/prctl.h>

#include <systemd/sd-daemon.h>

#include "broker/broker.h"
#include "common/userfile.h"
#include "config.h"
#include "tests/support/fake-authority.h"

static int run(sd_event *event, FakeAuthority *fake) {
        static const BrokerPlaces places = {
                .root = "",
                .openers = OPENER_SOCKET_DIR,
                .journal = JOURNAL_SOCKET,
                .pam = PAM_SOCKET,
                .filter = FILTER_SOCKET,
                .passwd = USERFILE_PASSWD,
                .filter_user = FILTER_USER,
        };
        _cleanup_(broker_freep) Broker *broker = NULL;
        int r;

        r = broker_new(event, &fake->authority, &places, &broker);
        if (r < 0)
                return r;
        if (sd_listen_fds(1) != 1)
                return -EINVAL;

        r = broker_listen_consume_fd(broker, SD_LISTEN_FDS_START);
        if (r < 0)
                return r;

        (void)sd_notify(0, "READY=1");
        return sd_event_loop(event);
}

int main(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        FakeAuthority fake;
        int r;

        /* As the real one. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || sd_event_new(&event) < 0 ||
            sd_event_set_watchdog(event, true) < 0)
                return EXIT_FAILURE;

        fake_authority_init(&fake, event);
        fake.automatic = true;
        r = run(event, &fake);
        fake_authority_deinit(&fake);
        if (r < 0)
                fprintf(stderr, "bench-broker: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : r;
}
