#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bus: a D-Bus of a test's own, on which a child plays somebody
 *
 * Without dbus-daemon there is nothing to test on, and the test is skipped. Both end with the test.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "tests/support/tree.h"

typedef struct Bus {
        Tree tree;
        char address[TREE_PATH_SIZE + 16];
        pid_t daemon, player;
} Bus;

/* Of the child: what it is asked, and its name. -errno. */
typedef int (*BusPart)(sd_bus *bus, void *userdata);

/* Around each test whose state is a bus. */
int bus_setup(void **state);
int bus_teardown(void **state);

/* There is nobody at the address yet. */
void bus_init(Bus *bus);
void bus_deinit(Bus *bus);

void bus_start(Bus *bus);
/* It is gone for all who are connected. */
void bus_end(Bus *bus);
/* In its place: who accepts, and says nothing. Returns the descriptor. */
int bus_start_mute(const Bus *bus);

/* Returns once the child has its name. A mute one is heard of no more. */
void bus_play(Bus *bus, BusPart part, void *userdata, bool mute);
void bus_end_play(Bus *bus);
