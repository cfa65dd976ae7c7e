/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's own structures, which have speeds as numbers. libc's do not go together with them.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "cli/line.h"

struct Line {
        int device;
        bool keeps_line;
        struct termios2 shown; /* the pty's, when it was last looked at */
};

/* What is about the line itself, and not about characters in a program's sense. */
#define INPUT_OF_THE_LINE (IGNBRK | BRKINT | IGNPAR | INPCK | IXON | IXOFF | IXANY)

int line_new(int device, bool keeps_line, Line **ret) {
        _cleanup_(line_freep) Line *line = calloc(1, sizeof(*line));

        if (!line)
                return -ENOMEM;

        line->device = device;
        line->keeps_line = keeps_line;
        if (ioctl(device, TCGETS2, &line->shown) < 0)
                return -errno;

        *ret = TAKE_PTR(line);
        return 0;
}

Line *line_free(Line *line) {
        free(line);
        return NULL;
}

int line_show(Line *line, int master) {
        struct termios2 settings = line->shown;

        settings.c_line = N_TTY;
        settings.c_lflag |= EXTPROC;
        if (ioctl(master, TCSETS2, &settings) < 0)
                return -errno;

        /* It has made of them what it can. The device is still to be told its part. */
        line->shown = (struct termios2){};
        return 0;
}

/* What a program that has set the pty means for the device. */
static void settings_translate(const Line *line, const struct termios2 *pty,
                               struct termios2 *device) {
        tcflag_t own = CSIZE | PARENB | PARODD | CMSPAR | (line->keeps_line ? HUPCL : 0);

        device->c_cflag = (device->c_cflag & own) | (pty->c_cflag & ~own);
        device->c_ispeed = pty->c_ispeed;
        device->c_ospeed = pty->c_ospeed;
        device->c_iflag = pty->c_iflag;
        device->c_oflag = pty->c_oflag;
        device->c_lflag = pty->c_lflag & ~(tcflag_t)EXTPROC;
        memcpy(device->c_cc, pty->c_cc, sizeof(device->c_cc));
}

/* Without what the pty does, and as it is convenient to be read from. */
static void settings_relieve(const struct termios2 *pty, struct termios2 *device) {
        device->c_oflag = 0;
        if (!(pty->c_lflag & EXTPROC)) {
                device->c_iflag &= INPUT_OF_THE_LINE;
                device->c_lflag = 0;
        }
        if (!(device->c_lflag & ICANON)) {
                device->c_cc[VMIN] = 1;
                device->c_cc[VTIME] = 0;
        }
}

static int line_set(const Line *line, const struct termios2 *pty, bool relieved) {
        struct termios2 device;

        if (ioctl(line->device, TCGETS2, &device) < 0)
                return -errno;
        settings_translate(line, pty, &device);
        if (relieved)
                settings_relieve(pty, &device);
        return ioctl(line->device, TCSETS2, &device) < 0 ? -errno : 0;
}

int line_carry(Line *line, int master, bool *ret_tells) {
        struct termios2 pty;
        int r = 0;

        if (ioctl(master, TCGETS2, &pty) < 0)
                return -errno;
        if (memcmp(&pty, &line->shown, sizeof(pty)) != 0)
                r = line_set(line, &pty, true);
        if (r < 0)
                return r;

        line->shown = pty;
        *ret_tells = pty.c_lflag & EXTPROC;
        return 0;
}

void line_leave(Line *line, int master) {
        struct termios2 pty;

        if (ioctl(master, TCGETS2, &pty) == 0)
                (void)line_set(line, &pty, false);
}

void line_flush_input(const Line *line) {
        (void)ioctl(line->device, TCFLSH, TCIFLUSH);
}

void line_flush_output(const Line *line) {
        (void)ioctl(line->device, TCFLSH, TCOFLUSH);
}
