/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/child.h"
#include "cli/exit-status.h"
#include "cli/keeper.h"
#include "cli/report.h"
#include "common/peer.h"
#include "common/socket.h"

/* How far up an ancestor is looked for. */
#define ANCESTORS_MAX 64U

typedef struct Keeper {
        const Options *options;
        const Argument *argument;
        int socket; /* over which the descriptor goes */
        int maker;  /* a pidfd */
        int report; /* where the exit status is written */
} Keeper;

/* The parent of a process, or 0. */
static pid_t parent_of(pid_t pid) {
        char path[64], line[1024];
        const char *p;
        int parent;
        FILE *f;
        bool ok;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
                return 0;
        ok = fgets(line, sizeof(line), f) != NULL;
        (void)fclose(f);

        /* The command stands in brackets, and can hold some. */
        p = ok ? strrchr(line, ')') : NULL;
        return p && sscanf(p, ") %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

static bool is_ancestor(pid_t pid) {
        pid_t ancestor = getppid();

        for (unsigned i = 0; ancestor > 1 && i < ANCESTORS_MAX; i++) {
                if (ancestor == pid)
                        return true;
                ancestor = parent_of(ancestor);
        }

        return false;
}

int keeper_pin_maker(int socket_fd, bool use_peerpidfd, int *ret) {
        _cleanup_(peer_deinit) Peer maker = PEER_NULL;
        int r;

        r = peer_init(&maker, socket_fd, use_peerpidfd);
        if (r == PEER_E_GONE)
                return KEEPER_E_GONE;
        if (r == PEER_E_REFUSED)
                return KEEPER_E_UNKNOWN;
        if (r != 0)
                return r;

        /* Pinned by its number alone, it counts if our own line of ancestors vouches for it and it
         * was still there after that. */
        if (!maker.proven && !is_ancestor(maker.pid))
                return KEEPER_E_UNKNOWN;
        if (!peer_is_alive(&maker))
                return KEEPER_E_GONE;

        *ret = TAKE_FD(maker.pidfd);
        return 0;
}

/* Closes everything but these three and puts /dev/null where the standard descriptors were, so that
 * nobody waits for us to close what we never wanted. */
static void descriptors_drop(int a, int b, int c) {
        int keep[] = {a, b, c}, null_fd;
        unsigned next = 0;

        for (size_t i = 0; i < ELEMENTSOF(keep); i++) {
                int lowest = -1;

                for (size_t j = 0; j < ELEMENTSOF(keep); j++)
                        if (keep[j] >= (int)next && (lowest < 0 || keep[j] < lowest))
                                lowest = keep[j];
                if (lowest < 0)
                        break;
                if (lowest > (int)next)
                        (void)close_range(next, (unsigned)lowest - 1, 0);
                next = (unsigned)lowest + 1;
        }
        (void)close_range(next, ~0U, 0);

        /* The lowest free number, three times; none of the three that stay is below 3. */
        null_fd = open("/dev/null", O_RDWR | O_NOCTTY);
        for (int i = 0; null_fd >= 0 && i < 2; i++)
                if (dup(null_fd) < 0)
                        return;
}

static void keeper_report(const Keeper *keeper, int status) {
        (void)!write(keeper->report, &status, sizeof(status));
}

/* Until the program ends that has the descriptor, or the lease. */
static void keeper_wait(const Keeper *keeper, doorward_conn *conn) {
        struct pollfd polls[] = {
                {.fd = keeper->maker, .events = POLLIN},
                {.fd = conn_get_control_fd(conn), .events = POLLIN},
        };

        for (;;) {
                if (poll(polls, ELEMENTSOF(polls), -1) < 0 && errno != EINTR)
                        return;
                if (polls[0].revents)
                        return;
                if (polls[1].revents && !grant_watch(keeper->options, conn))
                        return;
        }
}

/* Leaves the terminal, the folder and every descriptor of others behind; then fdpass may end. */
static void keeper_detach(Keeper *keeper, const doorward_conn *conn) {
        (void)setsid();
        (void)!chdir("/");
        (void)prctl(PR_SET_NAME, "doorward-keeper");
        (void)prctl(PR_SET_PDEATHSIG, 0);
        descriptors_drop(keeper->maker, keeper->report, conn_get_control_fd(conn));

        keeper_report(keeper, EXIT_STATUS_OK);
        keeper->report = close_fd(keeper->report);
}

static int keeper_pass(const Keeper *keeper, doorward_conn *conn) {
        _cleanup_close_ int fd = grant_take_fd(conn);
        ssize_t n;

        /* One byte goes with it, whose value nobody looks at. */
        n = socket_send(keeper->socket, "", 1, fd);
        if (n < 0)
                return report_errno(keeper->options, (int)n, "Cannot pass the descriptor");

        return EXIT_STATUS_OK;
}

static int keeper_ask(Keeper *keeper) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        int status, r;

        r = grant_open(keeper->options, keeper->argument, &conn, &error);
        if (r < 0)
                return report_error(keeper->options, &error);

        status = keeper_pass(keeper, conn);
        if (status != EXIT_STATUS_OK || conn_get_control_fd(conn) < 0)
                return status;

        keeper_detach(keeper, conn);
        keeper_wait(keeper, conn);
        return EXIT_STATUS_OK;
}

/* In the child. */
static _noreturn_ void keeper_main(Keeper *keeper, pid_t parent) {
        int status = EXIT_STATUS_FAILURE;

        if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent)
                status = keeper_ask(keeper);
        if (keeper->report >= 0)
                keeper_report(keeper, status);

        _exit(status);
}

/* By what a person, or a session, ends a program: nothing that has to be told them. */
static bool is_ended_on_purpose(int status) {
        return WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGQUIT ||
                                       WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP);
}

/* The exit status that the keeper reports. If it ends without a word, it was killed. */
static int keeper_listen(const Options *options, int report, Child *child) {
        struct pollfd polls[] = {
                {.fd = report, .events = POLLIN},
                {.fd = child_get_fd(child), .events = POLLIN},
        };
        int status, r = 0;

        while (r == 0) {
                if (poll(polls, ELEMENTSOF(polls), -1) < 0 && errno != EINTR)
                        return report_errno(options, -errno, "Cannot wait");

                /* What it has said counts, also if it has ended since. */
                if (polls[0].revents) {
                        if (read(report, &status, sizeof(status)) == sizeof(status))
                                return status;
                        polls[0].fd = -EBADF;
                }
                if (polls[1].revents)
                        r = child_dispatch(child, &status);
        }

        if (r < 0)
                return report_errno(options, r, "Cannot wait");
        if (is_ended_on_purpose(status))
                return exit_status_of_process(status);

        return report_errno(options, -ECHILD, "The process that asked ended before its answer");
}

int keeper_run_consume_fd(const Options *options, const Argument *argument, int socket_fd,
                          int maker) {
        _cleanup_close_ int reader = -EBADF, writer = -EBADF, taken = maker;
        Keeper keeper = {.options = options, .argument = argument, .socket = socket_fd};
        _cleanup_(child_deinit) Child child = CHILD_NULL;
        pid_t parent = getpid(), pid;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return report_errno(options, -errno, "Cannot start a process");
        reader = ends[0];
        writer = ends[1];

        pid = child_fork(&child);
        if (pid < 0)
                return report_errno(options, (int)pid, "Cannot start a process");
        if (pid == 0) {
                keeper.maker = TAKE_FD(taken);
                keeper.report = TAKE_FD(writer);
                reader = close_fd(reader);
                keeper_main(&keeper, parent);
        }

        writer = close_fd(writer);
        return keeper_listen(options, reader, &child);
}
