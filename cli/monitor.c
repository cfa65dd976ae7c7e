/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "cli/commands.h"
#include "cli/event.h"
#include "cli/exit-status.h"
#include "cli/lease.h"
#include "cli/report.h"

typedef struct Monitor {
        const Options *options;
        Wire *wire;
        int signals;   /* says that we are to end */
        sigset_t mask; /* as it was before */
        bool headings; /* are still to be printed */
} Monitor;

/* The stream has no end of its own: ^C is how it is meant to be ended, and is no failure. Who
 * started us with a signal ignored wants it to end nothing. */
static int signals_take(Monitor *monitor) {
        static const int ending[] = {SIGINT, SIGTERM};
        struct sigaction action;
        sigset_t mask;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
                        (void)sigaddset(&mask, ending[i]);

        monitor->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return monitor->signals < 0 || sigprocmask(SIG_BLOCK, &mask, &monitor->mask) < 0 ? -errno
                                                                                         : 0;
}

static void monitor_deinit(Monitor *monitor) {
        struct signalfd_siginfo taken;

        wire_free(monitor->wire);
        if (monitor->signals < 0)
                return;

        /* What has ended us has done so. */
        while (read(monitor->signals, &taken, sizeof(taken)) > 0)
                ;
        close_fd(monitor->signals);
        (void)sigprocmask(SIG_SETMASK, &monitor->mask, NULL);
}

/* Whether there is something to read of the broker; else we are to end, since we were told to or
 * nobody reads any more what we print. */
static bool monitor_wait(const Monitor *monitor) {
        struct pollfd fds[] = {
                {.fd = wire_get_fd(monitor->wire), .events = POLLIN},
                {.fd = monitor->signals, .events = POLLIN},
                {.fd = STDOUT_FILENO},
        };
        int r;

        do
                r = poll(fds, ELEMENTSOF(fds), -1);
        while (r < 0 && errno == EINTR);

        return !fds[1].revents && !(fds[2].revents & (POLLERR | POLLHUP));
}

static int event_show(Monitor *monitor, const json_t *parameters, doorward_error *error) {
        json_t *object;
        const WireField fields[] = {{"event", WIRE_OBJECT, false, &object}, {}};
        JsonMode mode = monitor->options->json;
        Event event;
        int r = 0;

        if (wire_read(parameters, fields) < 0 || event_read(object, &event) < 0)
                return wire_error_protocol(error, "The broker's event cannot be read.");

        errno = 0;
        if (mode != JSON_OFF)
                r = output_json_consume(json_incref(object), mode);
        else {
                if (monitor->headings)
                        event_print_headings(stdout);
                event_print(&event, stdout);
        }
        monitor->headings = false;
        if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                r = errno > 0 ? -errno : -EIO;

        return r;
}

/* Shows what is there. -EAGAIN: nothing any more; 0: there will be nothing. */
static int monitor_drain(Monitor *monitor, doorward_error *error) {
        int r;

        do {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_next(monitor->wire, 0, &reply, error);
                if (r <= 0)
                        return r;
                r = event_show(monitor, reply.parameters, error);
        } while (r == 0);

        return r;
}

/* Until we are to end (0), or cannot go on. */
static int monitor_run(Monitor *monitor, doorward_error *error) {
        int r;

        do {
                r = monitor_drain(monitor, error);
                if (r != -EAGAIN)
                        return r == 0 ? -ECONNRESET : r;
        } while (monitor_wait(monitor));

        return 0;
}

static int monitor_begin(Monitor *monitor, doorward_error *error) {
        json_t *parameters;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &monitor->wire, error);
        if (r < 0)
                return r;
        r = signals_take(monitor);
        if (r < 0)
                return error_system(error, r, "Signals cannot be taken");

        parameters = options_has(monitor->options, OPTION_ALL) ? json_pack("{s:b}", "all", 1)
                                                               : json_object();
        return wire_call_more(monitor->wire, METHOD_MONITOR, parameters, WIRE_TIMEOUT_MS, error);
}

int command_monitor(const Options *options, char **arguments, size_t n) {
        _cleanup_(monitor_deinit) Monitor monitor = {
                .options = options,
                .signals = -EBADF,
                .headings = !options_has(options, OPTION_NO_LEGEND),
        };
        _cleanup_error_ doorward_error error = {};
        int r;

        (void)arguments;
        (void)n;
        (void)signal(SIGPIPE, SIG_IGN);
        r = monitor_begin(&monitor, &error);
        if (r < 0)
                return report_error(options, &error);

        r = monitor_run(&monitor, &error);
        if (r == -EPIPE) {
                /* Who reads no more has seen enough. */
                clearerr(stdout);
                return EXIT_STATUS_OK;
        }
        if (r == 0)
                return EXIT_STATUS_OK;
        if (r == -ECONNRESET || error.code == DOORWARD_ERR_NO_BROKER)
                return report_problem(options, DOORWARD_ERR_NO_BROKER,
                                      "Begin again. If this happens when much is going on, read "
                                      "faster: what is slow is hung up on.",
                                      "The broker has hung up: it was stopped or restarted, or "
                                      "what it says was not read fast enough.");
        if (!error.code)
                return report_errno(options, r, "Cannot write to standard output");

        lease_explain_error(&error);
        return report_error(options, &error);
}
