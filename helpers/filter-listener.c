/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-filter-listener: starts doorward-filter for each connection of the broker
 *
 * systemd could do that, with an instance of a unit for each, and takes twenty times as long: it is
 * the mounts and namespaces. Those the filters have in common here. What keeps one from another is
 * the sandbox that each enters by itself, and until then the unit's filter of system calls.
 *
 * What is promised: from its exec on, no other process of this uid can look into this one.
 */

#include <sys/prctl.h>

#include "common/activation.h"
#include "common/complain.h"
#include "config.h"
#include "helpers/filter-server.h"

#define FILTER_PROGRAM HELPER_DIR "/doorward-filter"

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), r;

        if (undumpable < 0) {
                complain("This process cannot be hidden from others of its user: %m");
                return EXIT_FAILURE;
        }

        r = activation_take_listener(FILTER_SOCKET);
        if (r < 0) {
                complain("The socket " FILTER_SOCKET
                         " was not passed on: %s. Start doorward-filter.socket instead.",
                         strerror(-r));
                return EXIT_FAILURE;
        }

        r = filter_server_run(&(FilterServer){
                .listener = ACTIVATION_FD,
                .program = FILTER_PROGRAM,
        });
        complain("The broker's connections cannot be waited for: %s", strerror(-r));
        return EXIT_FAILURE;
}
