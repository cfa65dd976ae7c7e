#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * System bus: what a command asks of a daemon, with one deadline for all of it
 *
 * Nobody is started to be asked: whoever does not run has nothing to be told, and reads what there
 * is when it starts.
 */

#include <systemd/sd-bus.h>

#include "common/macros.h"

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

typedef struct SystemBus {
        sd_bus *bus;
        uint64_t deadline; /* monotonic, in µs */
} SystemBus;

int system_bus_open(SystemBus *bus, const char *address, uint64_t patience_usec) _must_check_;
void system_bus_deinit(SystemBus *bus);

/* Takes one thing that came over the bus, or waits for it. -ETIMEDOUT. */
int system_bus_turn(SystemBus *bus) _must_check_;

/* Calls, and waits for the answer. -errno, -ECONNRESET if whoever was asked ended without one;
 * *ret_problem is then what was said about it, or as it was. It is the caller's. */
int system_bus_call(SystemBus *bus, sd_bus_message *call, char **ret_problem,
                    sd_bus_message **ret) _must_check_;

/* Lets some time go by, or what is left of it. */
void system_bus_pause(const SystemBus *bus, uint64_t usec);
