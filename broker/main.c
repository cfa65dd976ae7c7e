/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <systemd/sd-daemon.h>

#include "config.h"

#include "broker/broker.h"
#include "broker/keep.h"
#include "common/capabilities.h"
#include "common/userfile.h"
#include "policy/authority-polkit.h"

_printf_(2, 3) static int complain(int error, const char *format, ...);

static int complain(int error, const char *format, ...) {
        va_list args;

        fputs(SD_ERR "doorwardd: ", stderr);
        va_start(args, format);
        (void)vfprintf(stderr, format, args);
        va_end(args);
        if (error < 0)
                fprintf(stderr, ": %s", strerror(-error));
        fputc('\n', stderr);
        return EXIT_FAILURE;
}

/* The broker parses what anybody sends. It has nothing that it could be made to use: neither root,
 * nor a capability in any set (a bounding set cannot be emptied without privilege, and gives
 * nothing to a process that cannot gain any). */
static bool is_in_groups(void) {
        gid_t group;
        int n = getgroups(0, NULL);

        /* systemd gives it its own group a second time. */
        return n > 1 || (n == 1 && (getgroups(1, &group) != 1 || group != getegid()));
}

static const char *find_privilege(void) {
        Capabilities capabilities;

        if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0)
                return "it runs as root; doorward.service runs it as the user " BROKER_USER;
        if (capabilities_read(&capabilities) < 0)
                return "its capabilities cannot be read";
        if (capabilities.held)
                return "it has capabilities";
        if (is_in_groups())
                return "it is in a group: SupplementaryGroups= of a drop-in, or a line of "
                       "/etc/group, has put it there";
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                return "it could gain privileges: NoNewPrivileges=yes is missing";
        return NULL;
}

/* What systemd has passed: the socket to listen on, and what it has kept of the broker before. */
typedef struct Passed {
        int listen_fd;
        int *fds; /* all of them; -EBADF where one was taken */
        char **names;
        unsigned n;
} Passed;

static void passed_deinit(Passed *passed) {
        for (unsigned i = 0; i < passed->n; i++)
                close_fd(passed->fds[i]);
        close_fd(passed->listen_fd);
        free(passed->fds);
        strv_free(passed->names);
}

static int take_passed(Passed *passed) {
        int n = sd_listen_fds_with_names(1, &passed->names);

        if (n < 0)
                return n;
        passed->fds = calloc((size_t)n + 1, sizeof(*passed->fds));
        if (!passed->fds)
                return -ENOMEM;

        passed->n = (unsigned)n;
        for (int i = 0; i < n; i++) {
                passed->fds[i] = SD_LISTEN_FDS_START + i;
                if (passed->listen_fd < 0 &&
                    sd_is_socket_unix(passed->fds[i], SOCK_STREAM, 1, NULL, 0) > 0)
                        passed->listen_fd = TAKE_FD(passed->fds[i]);
        }

        return passed->listen_fd < 0 ? -EINVAL : 0;
}

static int run(void) {
        static const BrokerPlaces places = {
                .root = "",
                .openers = OPENER_SOCKET_DIR,
                .journal = JOURNAL_SOCKET,
                .pam = PAM_SOCKET,
                .filter = FILTER_SOCKET,
                .passwd = USERFILE_PASSWD,
                .filter_user = FILTER_USER,
        };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(authority_freep) Authority *authority = NULL;
        _cleanup_(broker_freep) Broker *broker = NULL;
        _cleanup_(passed_deinit) Passed passed = {.listen_fd = -EBADF};
        int r;

        r = take_passed(&passed);
        if (r < 0)
                return complain(r, "Expected one listening socket: start doorward.socket instead");

        /* Of a default one the kernel would be asked at each turn whether this is its thread. */
        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r >= 0)
                r = authority_polkit_new(event, BROKER_USER, &authority);
        if (r >= 0)
                r = broker_new(event, authority, &places, &broker);
        if (r < 0)
                return complain(r, "Could not start");
        if (broker->settings->problem)
                return complain(0, "%s", broker->settings->problem);

        keep_restore(broker, passed.fds, passed.names, passed.n);
        r = broker_listen_consume_fd(broker, TAKE_FD(passed.listen_fd));
        if (r < 0)
                return complain(r, "Could not listen");

        (void)sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        (void)sd_notify(0, "STOPPING=1");
        if (r < 0)
                return complain(r, "The event loop failed");

        return r;
}

int main(int argc, char **argv) {
        const char *privilege;

        /* No process of the same user looks into this one, or takes its descriptors. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return complain(-errno, "Could not make itself undumpable");

        if (argc > 1 && streq(argv[1], "--version")) {
                puts("doorwardd " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc > 1)
                return complain(0, "It takes no arguments but --version");

        privilege = find_privilege();
        if (privilege)
                return complain(0, "The broker holds no privilege, but %s", privilege);

        return run();
}
