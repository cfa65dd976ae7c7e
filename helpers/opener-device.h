#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Device: whose node this is, by its number
 *
 * A node's name says nothing: /dev/ttyS9 can be a link to a console. Device=char:ttyUSB means the
 * driver that /proc/devices names beside the node's major number. Several drivers can share a
 * major (4 is the consoles' and the serial ports'); then the number alone says too little, and
 * /proc/tty/drivers has to have the node's minor in that driver's range.
 */

#include <sys/stat.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "policy/definition.h"

/* The text of either file at its longest. */
#define OPENER_DEVICE_FILE_SIZE 16384U

/* Whether the number is the driver's, by the texts of /proc/devices and /proc/tty/drivers. */
bool opener_device_is(const DeviceClass *device, mode_t mode, dev_t number, const char *devices,
                      const char *tty_drivers);

/* Whether the node at path is of one of these drivers, of which there may be none: 0 or
 * OPENER_TYPE. */
int opener_device_check(const DeviceClass *wanted, const char *path, const struct stat *st,
                        OpenerReply *reply) _must_check_;
