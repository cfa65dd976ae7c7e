/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "pam/terminal.h"

/* Of the kernel's list of devices. */
#define MAJOR_TTY 4U
#define MAJOR_PTS_FIRST 136U
#define MAJOR_PTS_LAST 143U
#define MINOR_SERIAL_FIRST 64U

bool terminal_get_name(uint32_t tty, char buf[TERMINAL_NAME_SIZE]) {
        unsigned major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);

        if (major >= MAJOR_PTS_FIRST && major <= MAJOR_PTS_LAST)
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "pts/%u",
                               (major - MAJOR_PTS_FIRST) * 256 + minor);
        else if (major == MAJOR_TTY && minor < MINOR_SERIAL_FIRST)
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "tty%u", minor);
        else if (major == MAJOR_TTY)
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "ttyS%u", minor - MINOR_SERIAL_FIRST);
        else
                return false;

        return true;
}
