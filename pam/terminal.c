/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "pam/terminal.h"

/* Of the kernel's list of devices. */
#define MAJOR_TTY 4U
#define MAJOR_PTS_FIRST 136U
#define MAJOR_PTS_LAST 143U
#define MINOR_SERIAL_FIRST 64U

static unsigned get_major(uint32_t tty) {
        return tty >> 8 & 0xfff;
}

static unsigned get_minor(uint32_t tty) {
        return (tty & 0xff) | (tty >> 12 & 0xfff00);
}

static bool is_pseudo(uint32_t tty) {
        return get_major(tty) >= MAJOR_PTS_FIRST && get_major(tty) <= MAJOR_PTS_LAST;
}

bool terminal_get_name(uint32_t tty, char buf[TERMINAL_NAME_SIZE]) {
        unsigned minor = get_minor(tty);

        if (is_pseudo(tty))
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "pts/%u",
                               (get_major(tty) - MAJOR_PTS_FIRST) * 256 + minor);
        else if (get_major(tty) == MAJOR_TTY && minor < MINOR_SERIAL_FIRST)
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "tty%u", minor);
        else if (get_major(tty) == MAJOR_TTY)
                (void)snprintf(buf, TERMINAL_NAME_SIZE, "ttyS%u", minor - MINOR_SERIAL_FIRST);
        else
                return false;

        return true;
}

bool terminal_can_be_of(const char *name, uint32_t tty, uid_t uid) {
        char path[sizeof("/dev/") + TERMINAL_NAME_SIZE];
        struct stat st;

        /* A device of the machine's can be nobody's controlling terminal who could not open it. */
        if (!is_pseudo(tty))
                return true;

        (void)snprintf(path, sizeof(path), "/dev/%s", name);
        return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_uid == uid &&
               major(st.st_rdev) == get_major(tty) && minor(st.st_rdev) == get_minor(tty);
}
