/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "tests/support/bus.h"

void bus_init(Bus *bus) {
        char path[TREE_PATH_SIZE];

        *bus = (Bus){};
        tree_init(&bus->tree);
        (void)snprintf(bus->address, sizeof(bus->address), "unix:path=%s",
                       tree_path(&bus->tree, "bus", path));
}

static void end(pid_t *pid) {
        if (*pid > 0) {
                (void)kill(*pid, SIGKILL);
                (void)waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

void bus_end(Bus *bus) {
        end(&bus->daemon);
}

void bus_end_play(Bus *bus) {
        end(&bus->player);
}

void bus_deinit(Bus *bus) {
        end(&bus->player);
        end(&bus->daemon);
        tree_deinit(&bus->tree);
}

int bus_setup(void **state) {
        Bus *bus = calloc(1, sizeof(*bus));

        if (!bus)
                return -1;
        bus_init(bus);
        *state = bus;
        return 0;
}

int bus_teardown(void **state) {
        bus_deinit(*state);
        free(*state);
        return 0;
}

/* Waits for a child that says it is ready; false if it ended instead. */
static bool is_ready(int fd) {
        char buf[512];
        bool ready = read(fd, buf, sizeof(buf)) > 0;

        close_fd(fd);
        return ready;
}

void bus_start(Bus *bus) {
        char option[sizeof(bus->address) + 16];
        int out[2];

        (void)snprintf(option, sizeof(option), "--address=%s", bus->address);
        assert_int_equal(pipe(out), 0);
        bus->daemon = fork();
        if (bus->daemon == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)dup2(out[1], STDOUT_FILENO);
                (void)execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nopidfile",
                             "--print-address=1", option, (char *)NULL);
                _exit(127);
        }
        close_fd(out[1]);
        if (!is_ready(out[0]))
                skip();
}

int bus_start_mute(const Bus *bus) {
        struct sockaddr_un address;
        int fd, n;

        n = socket_address(bus->address + strlen("unix:path="), &address);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0 && n > 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(listen(fd, 5), 0);
        return fd;
}

_noreturn_ static void play(const char *address, BusPart part, void *userdata, bool mute, int out) {
        sd_bus *bus = NULL;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            part(bus, userdata) < 0 || write(out, "x", 1) != 1)
                _exit(EXIT_FAILURE);

        while (mute)
                (void)pause();
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
                        _exit(EXIT_FAILURE);
        }
}

void bus_play(Bus *bus, BusPart part, void *userdata, bool mute) {
        int out[2];

        assert_int_equal(pipe(out), 0);
        bus->player = fork();
        if (bus->player == 0)
                play(bus->address, part, userdata, mute, out[1]);
        close_fd(out[1]);
        assert_true(is_ready(out[0]));
}
