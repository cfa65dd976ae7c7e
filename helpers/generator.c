/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-generator: see systemd.generator(7)
 *
 * Run by systemd at boot and at each daemon-reload, as root, before anything else runs: no NSS, no
 * network, no journal. What there is to say goes to the kernel's log then.
 */

#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>

#include "helpers/generate.h"

#define KMSG "/dev/kmsg"

/* systemd says so in the environment, with our pid. */
static bool is_run_by_systemd(void) {
        const char *text = getenv("SYSTEMD_EXEC_PID");
        char pid[16];

        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        return text && streq(text, pid);
}

static int open_log(void) {
        return is_run_by_systemd() ? open(KMSG, O_WRONLY | O_NOCTTY | O_CLOEXEC) : -EBADF;
}

static void log_message(int priority, const char *message, void *userdata) {
        int fd = *(int *)userdata;

        if (fd < 0 || dprintf(fd, "<%d>doorward-generator[%d]: %s\n", LOG_DAEMON | priority,
                              (int)getpid(), message) < 0)
                fprintf(stderr, "doorward-generator: %s\n", message);
}

int main(int argc, char **argv) {
        _cleanup_close_ int log_fd = open_log();
        int r;

        if (argc != 2 && argc != 4) {
                fprintf(stderr, "Usage: doorward-generator NORMAL-DIR [EARLY-DIR LATE-DIR]\n");
                return EXIT_FAILURE;
        }

        r = generate_units("", 0, argv[1], log_message, &log_fd);
        if (r < 0) {
                char message[128];

                (void)snprintf(message, sizeof(message), "The units of openers cannot be made: %s",
                               strerrordesc_np(-r));
                log_message(LOG_ERR, message, &log_fd);
                return EXIT_FAILURE;
        }

        return EXIT_SUCCESS;
}
