/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cli/child.h"
#include "cli/exit-status.h"
#include "cli/placement.h"

static const int forwarded_signals[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGWINCH,
};

bool child_forwards(const ChildSignal *received, pid_t child, pid_t own_group,
                    bool session_leader) {
        /* The kernel's own come from the terminal, and the whole foreground group gets them: but
         * for the news that the terminal is gone, which only the session's leader gets. */
        if (received->code != SI_USER && received->code != SI_QUEUE && received->code != SI_TKILL)
                return session_leader &&
                       (received->number == SIGHUP || received->number == SIGCONT);

        return received->sender != child && received->sender_group != own_group;
}

/* Nothing may come between the fork and our first look at the command, so signals are blocked
 * before it. */
int child_prepare(Child *child) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t mask;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGCHLD);
        for (size_t i = 0; i < ELEMENTSOF(forwarded_signals); i++)
                (void)sigaddset(&mask, forwarded_signals[i]);

        /* Who ignores SIGCHLD is not told how a child ended. */
        if (sigaction(SIGCHLD, &action, &child->child_action) < 0)
                return -errno;
        if (sigprocmask(SIG_BLOCK, &mask, &child->mask) < 0)
                return -errno;

        child->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return child->signal_fd < 0 ? -errno : 0;
}

static int environment_set(const ChildSpec *spec) {
        char number[21];

        /* What we may have been handed ourselves was not meant for the command. */
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_FDNAMES");
        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_PIDFDID");
        for (char *const *variable = spec->environment; variable && *variable; variable++)
                if (putenv(*variable) != 0)
                        return -errno;
        if (spec->n_listen == 0)
                return 0;

        (void)snprintf(number, sizeof(number), "%zu", spec->n_listen);
        if (setenv("LISTEN_FDS", number, 1) < 0)
                return -errno;
        (void)snprintf(number, sizeof(number), "%d", (int)getpid());
        if (setenv("LISTEN_PID", number, 1) < 0 || setenv("LISTEN_FDNAMES", spec->names, 1) < 0)
                return -errno;

        return 0;
}

/* In the child. Says what failed over the pipe, which a successful exec closes. */
static _noreturn_ void child_run(const ChildSpec *spec, int report) {
        int failure[2] = {}; /* errno, and whether it was exec's */
        int r;

        r = placement_apply(spec->sources, spec->numbers, spec->n_fds, &report);
        if (r == 0)
                r = environment_set(spec);
        if (r == 0) {
                (void)execvp(spec->words[0], spec->words);
                r = -errno;
                failure[1] = 1;
        }

        failure[0] = -r;
        (void)!write(report, failure, sizeof(failure));
        _exit(failure[1] && r == -ENOENT ? EXIT_STATUS_NOT_FOUND : EXIT_STATUS_CANNOT_RUN);
}

/* Waits until the child has exec'ed or failed. */
static int report_read(int report, bool *ret_exec) {
        int failure[2];
        ssize_t n;

        do
                n = read(report, failure, sizeof(failure));
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return -errno;
        if (n != sizeof(failure))
                return 0;

        *ret_exec = failure[1];
        return -failure[0];
}

pid_t child_fork(Child *child) {
        int r;

        r = child->signal_fd < 0 ? child_prepare(child) : 0;
        if (r < 0)
                return r;

        child->pid = fork();
        if (child->pid < 0)
                return -errno;
        if (child->pid == 0 && (sigaction(SIGCHLD, &child->child_action, NULL) < 0 ||
                                sigprocmask(SIG_SETMASK, &child->mask, NULL) < 0))
                _exit(EXIT_STATUS_CANNOT_RUN);

        return child->pid;
}

int child_start(Child *child, const ChildSpec *spec, bool *ret_exec) {
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        int ends[2], r;
        pid_t pid;

        *ret_exec = false;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        reader = ends[0];
        writer = ends[1];

        pid = child_fork(child);
        if (pid < 0)
                return (int)pid;
        if (pid == 0)
                child_run(spec, writer);

        writer = close_fd(writer);
        r = report_read(reader, ret_exec);
        if (r < 0) {
                (void)waitpid(child->pid, NULL, 0);
                child->pid = 0;
        }

        return r;
}

/* Stops ourselves as the command was stopped, until somebody continues us. */
static void child_stop_with(int signal_number) {
        struct sigaction action = {.sa_handler = SIG_DFL}, before;
        sigset_t pending, one, mask;

        /* Somebody was faster and has continued us both already. */
        if (sigpending(&pending) == 0 && sigismember(&pending, SIGCONT) == 1)
                return;

        if (signal_number == SIGSTOP) {
                (void)raise(SIGSTOP);
                return;
        }

        (void)sigemptyset(&one);
        (void)sigaddset(&one, signal_number);
        (void)sigaction(signal_number, &action, &before);
        (void)raise(signal_number);
        (void)sigprocmask(SIG_UNBLOCK, &one, &mask);
        /* Here we have stopped, and have been continued. */
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        (void)sigaction(signal_number, &before, NULL);
}

static int child_follow(Child *child, int *ret_status) {
        int status;
        pid_t pid;

        if (child->pid == 0)
                return 0;

        for (;;) {
                pid = waitpid(child->pid, &status, WNOHANG | WUNTRACED);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid <= 0)
                        return pid < 0 ? -errno : 0;
                if (!WIFSTOPPED(status)) {
                        child->pid = 0;
                        *ret_status = status;
                        return 1;
                }
                child_stop_with(WSTOPSIG(status));
        }
}

/* Once it has ended nobody is meant any more: 0 would be our own group. */
static void child_forward(const Child *child, const struct signalfd_siginfo *info) {
        ChildSignal received = {
                .number = (int)info->ssi_signo,
                .code = info->ssi_code,
                .sender = (pid_t)info->ssi_pid,
        };

        if (child->pid == 0)
                return;

        /* 0 would be ourselves: somebody outside our pid namespace. */
        received.sender_group = received.sender > 0 ? getpgid(received.sender) : -1;
        if (child_forwards(&received, child->pid, getpgrp(), getsid(0) == getpid()))
                (void)kill(child->pid, received.number);
}

int child_dispatch(Child *child, int *ret_status) {
        struct signalfd_siginfo info;
        int r = 0;

        while (r == 0) {
                ssize_t n = read(child->signal_fd, &info, sizeof(info));

                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n != sizeof(info))
                        continue;

                if (info.ssi_signo == SIGCHLD)
                        r = child_follow(child, ret_status);
                else
                        child_forward(child, &info);
        }

        return r;
}

void child_deinit(Child *child) {
        child->signal_fd = close_fd(child->signal_fd);
}
