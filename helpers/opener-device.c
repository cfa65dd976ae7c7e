/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/sysmacros.h>

#include "common/textfile.h"
#include "helpers/opener-device.h"
#include "helpers/opener-refusal.h"

#define PROC_DEVICES "/proc/devices"
#define PROC_TTY_DRIVERS "/proc/tty/drivers"

/* Far longer than any line of either file; what would be cut is no line of them. */
#define LINE_SIZE 256U

/* Takes the next line off the text. */
static bool next_line(const char **text, char line[LINE_SIZE]) {
        size_t n = strcspn(*text, "\n");

        if (!**text)
                return false;

        (void)snprintf(line, LINE_SIZE, "%.*s", n < LINE_SIZE ? (int)n : 0, *text);
        *text += n + ((*text)[n] == '\n');
        return true;
}

static const char *const sections[] = {"Character devices:", "Block devices:"};

/* Headings begin a section; a driver's name can be nearly anything, but stands behind a number. */
static bool is_heading(const char *line) {
        for (size_t i = 0; i < ELEMENTSOF(sections); i++)
                if (streq(line, sections[i]))
                        return true;

        return false;
}

/* How many drivers have this major number, and whether the one that is asked for is among them. */
static size_t count_drivers(const char *text, const char *section, unsigned number,
                            const char *driver, bool *ret_found) {
        bool inside = false, found = false;
        char line[LINE_SIZE];
        size_t count = 0;
        unsigned value;
        int start = 0;

        while (next_line(&text, line)) {
                if (is_heading(line))
                        inside = streq(line, section);
                if (!inside || sscanf(line, "%u %n", &value, &start) != 1 || value != number)
                        continue;
                count++;
                found = found || streq(line + start, driver);
        }

        *ret_found = found;
        return count;
}

/* "serial               /dev/ttyS       4 64-95 serial" */
static bool tty_range_has(const char *text, const char *driver, dev_t number) {
        unsigned value, first, last;
        char line[LINE_SIZE], name[64];
        int n;

        while (next_line(&text, line)) {
                n = sscanf(line, "%*s /dev/%63s %u %u-%u", name, &value, &first, &last);
                if (n < 3 || !streq(name, driver) || value != major(number))
                        continue;
                if (minor(number) >= first && minor(number) <= (n == 4 ? last : first))
                        return true;
        }

        return false;
}

bool opener_device_is(const DeviceClass *device, mode_t mode, dev_t number, const char *devices,
                      const char *tty_drivers) {
        const char *section = sections[S_ISCHR(mode) ? 0 : 1];
        size_t count;
        bool found;

        if ((mode & S_IFMT) != device->type)
                return false;

        count = count_drivers(devices, section, major(number), device->driver, &found);
        if (!found)
                return false;

        return count == 1 || (S_ISCHR(mode) && tty_range_has(tty_drivers, device->driver, number));
}

int opener_device_check(const DeviceClass *wanted, const char *path, const struct stat *st,
                        OpenerReply *reply) {
        char devices[OPENER_DEVICE_FILE_SIZE], tty_drivers[OPENER_DEVICE_FILE_SIZE];
        int r;

        r = textfile_read(PROC_DEVICES, devices, sizeof(devices));
        if (r < 0)
                return opener_refuse(reply, OPENER_TYPE, -r,
                                     "%s cannot be read, so Device= cannot be checked: %s",
                                     PROC_DEVICES, strerror(-r));
        /* Without it a driver that shares its major number is not recognised. */
        if (textfile_read(PROC_TTY_DRIVERS, tty_drivers, sizeof(tty_drivers)) < 0)
                tty_drivers[0] = 0;

        for (const DeviceClass *device = wanted; device && device->driver; device++)
                if (opener_device_is(device, st->st_mode, st->st_rdev, devices, tty_drivers))
                        return 0;

        return opener_refuse(reply, OPENER_TYPE, 0,
                             "%.100s (%s %u:%u) is not a device of the definition's Device=", path,
                             S_ISCHR(st->st_mode) ? "char" : "block", major(st->st_rdev),
                             minor(st->st_rdev));
}
