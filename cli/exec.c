/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cli/cmd.h"
#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/placement.h"
#include "cli/report.h"

typedef struct Exec {
        const Options *options;
        Argument arguments[CMD_ENDPOINTS_MAX];
        doorward_conn *conns[CMD_ENDPOINTS_MAX];
        int fds[CMD_ENDPOINTS_MAX];
        int numbers[CMD_ENDPOINTS_MAX];
        size_t n;
        size_t n_listen;
        char *names;
        char **words;
        Child child;
} Exec;

static void exec_deinit(Exec *exec) {
        for (size_t i = 0; i < exec->n; i++) {
                close_fd(exec->fds[i]);
                conn_unrefp(&exec->conns[i]);
        }
        free(exec->names);
        strv_free(exec->words);
        child_deinit(&exec->child);
}

static int exec_parse(Exec *exec, char **arguments, size_t n) {
        int status = cmd_parse(exec->options, arguments, n, true, exec->arguments, &exec->n);

        for (size_t i = 0; i < exec->n; i++)
                exec->fds[i] = -EBADF;
        return status;
}

static int exec_number(Exec *exec) {
        struct rlimit limit;
        int conflict, r;

        r = placement_plan(exec->arguments, exec->n, exec->numbers, &exec->n_listen, &conflict);
        if (r == PLACEMENT_E_CONFLICT)
                return options_usage_error(
                        exec->options,
                        "Two descriptors cannot both be number %d. Those without '=FD' are "
                        "numbered from %d on.",
                        conflict, PLACEMENT_LISTEN_START);

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return report_errno(exec->options, -errno, "Cannot read a limit");
        for (size_t i = 0; i < exec->n; i++)
                if ((rlim_t)exec->numbers[i] >= limit.rlim_cur)
                        return options_usage_error(
                                exec->options,
                                "A descriptor's number must be below %llu here (ulimit -n), and %d "
                                "is not.",
                                (unsigned long long)limit.rlim_cur, exec->numbers[i]);

        r = placement_names(exec->arguments, exec->n, &exec->names);
        return r < 0 ? report_errno(exec->options, r, "Cannot name the descriptors") : -1;
}

static int exec_substitute(Exec *exec) {
        char texts[CMD_ENDPOINTS_MAX][12];
        const char *values[CMD_ENDPOINTS_MAX];

        for (size_t i = 0; i < exec->n; i++) {
                (void)snprintf(texts[i], sizeof(texts[i]), "%d", exec->numbers[i]);
                values[i] = texts[i];
        }

        return cmd_substitute(exec->options, exec->arguments, values, exec->n, &exec->words);
}

static int exec_open(Exec *exec) {
        for (size_t i = 0; i < exec->n; i++) {
                _cleanup_error_ doorward_error error = {};
                int r;

                r = grant_open(exec->options, &exec->arguments[i], &exec->conns[i], &error);
                if (r < 0)
                        return report_error(exec->options, &error);
                exec->fds[i] = grant_take_fd(exec->conns[i]);
        }

        return -1;
}

static int exec_start(Exec *exec) {
        const ChildSpec spec = {
                .words = exec->words,
                .sources = exec->fds,
                .numbers = exec->numbers,
                .n_fds = exec->n,
                .n_listen = exec->n_listen,
                .names = exec->names,
        };
        int status = cmd_start(exec->options, &exec->child, &spec);

        if (status >= 0)
                return status;

        /* The command alone has them from here on, so that its closing one is as good as
         * anywhere. */
        for (size_t i = 0; i < exec->n; i++)
                exec->fds[i] = close_fd(exec->fds[i]);
        return -1;
}

/* Says of each lease that has ended that it has. */
static void exec_watch(const Exec *exec, struct pollfd *polls) {
        for (size_t i = 0; i < exec->n; i++)
                if (polls[i].revents && !grant_watch(exec->options, exec->conns[i]))
                        polls[i].fd = -1;
}

/* Until the command has ended. That can be because its lease has: then this is said first. What was
 * cut and why comes right one after the other. */
static int exec_wait(Exec *exec) {
        struct pollfd polls[CMD_ENDPOINTS_MAX + 1];
        int status, r;

        for (size_t i = 0; i < exec->n; i++)
                polls[i] = (struct pollfd){
                        .fd = conn_get_control_fd(exec->conns[i]),
                        .events = POLLIN,
                };
        polls[exec->n] = (struct pollfd){.fd = child_get_fd(&exec->child), .events = POLLIN};

        for (;;) {
                r = poll(polls, exec->n + 1, -1);
                if (r < 0 && errno != EINTR)
                        return report_errno(exec->options, -errno, "Cannot wait for the command");
                if (r < 0)
                        continue;

                if (polls[exec->n].revents)
                        (void)poll(polls, exec->n, 0);
                exec_watch(exec, polls);
                r = polls[exec->n].revents ? child_dispatch(&exec->child, &status) : 0;
                if (r < 0)
                        return report_errno(exec->options, r, "Cannot wait for the command");
                if (r > 0)
                        return exit_status_of_process(status);
        }
}

int command_exec(const Options *options, char **arguments, size_t n) {
        _cleanup_(exec_deinit) Exec exec = {.options = options, .child = CHILD_NULL};
        int status;

        /* Everything that can be wrong with the command line is, before anybody is asked. */
        status = exec_parse(&exec, arguments, n);
        if (status < 0)
                status = exec_number(&exec);
        if (status < 0)
                status = exec_substitute(&exec);
        if (status < 0)
                status = exec_open(&exec);
        if (status < 0)
                status = exec_start(&exec);
        if (status < 0)
                status = exec_wait(&exec);

        return status;
}
