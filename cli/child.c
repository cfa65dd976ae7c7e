/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cli/child.h"
#include "cli/exit-status.h"
#include "cli/placement.h"
#include "cli/signals.h"

#define GUARD SIGTTOU

/* What the command is told of. */
static void set_fill_forwarded(sigset_t *set) {
        (void)sigemptyset(set);
        signals_add_ending(set);
        (void)sigaddset(set, SIGCONT);
        (void)sigaddset(set, SIGTSTP);
        (void)sigaddset(set, SIGWINCH);
}

/* What the kernel sends to a terminal's whole foreground group. */
static bool is_of_terminal(int number) {
        return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTSTP ||
               number == SIGCONT || number == SIGWINCH;
}

bool child_forwards(const ChildSignal *received, pid_t child, pid_t own_group,
                    bool session_leader) {
        bool by_kernel = received->code != SI_USER && received->code != SI_QUEUE &&
                         received->code != SI_TKILL;

        /* The group has heard of those, the command too: but for the news that the terminal is
         * gone, which only the session's leader gets. */
        if (by_kernel && is_of_terminal(received->number))
                return session_leader &&
                       (received->number == SIGHUP || received->number == SIGCONT);
        /* An alarm that somebody set before they became us, say. */
        if (by_kernel)
                return true;

        return received->sender != child && received->sender_group != own_group;
}

/* Nothing may come between the fork and our first look at the command, so signals are blocked
 * before it; SIGPIPE, too, which the command is not to find ignored. */
int child_prepare(Child *child) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t taken, blocked;

        set_fill_forwarded(&taken);
        (void)sigaddset(&taken, SIGCHLD);
        blocked = taken;
        (void)sigaddset(&blocked, SIGTTIN);
        (void)sigaddset(&blocked, GUARD);
        (void)sigaddset(&blocked, SIGPIPE);

        /* Who ignores SIGCHLD is not told how a child ended. */
        if (sigaction(SIGCHLD, &action, &child->child_action) < 0)
                return -errno;
        if (sigprocmask(SIG_BLOCK, &blocked, &child->mask) < 0)
                return -errno;
        if (raise(GUARD) != 0)
                return -errno;

        child->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
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

/* In the child: once the parent has passed on what had come before, signals are as they were. */
static void child_begin(const Child *child, int gate, pid_t parent) {
        char byte;

        while (read(gate, &byte, 1) < 0 && errno == EINTR)
                ;
        if (getppid() != parent || sigaction(SIGCHLD, &child->child_action, NULL) < 0 ||
            sigprocmask(SIG_SETMASK, &child->mask, NULL) < 0)
                _exit(EXIT_STATUS_CANNOT_RUN);
}

/* Sends on what has come until now, from wherever: the command, which is held, has either not been
 * there at that time, or has it waiting, and gets it once. */
static void child_pass_on(const Child *child) {
        const struct timespec now = {};
        sigset_t set;
        int number;

        set_fill_forwarded(&set);
        while ((number = sigtimedwait(&set, NULL, &now)) > 0) {
                if (number == SIGCONT)
                        (void)raise(GUARD);
                (void)kill(child->pid, number);
        }
}

pid_t child_fork(Child *child) {
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        pid_t parent = getpid();
        int ends[2], r;

        r = child->signal_fd < 0 ? child_prepare(child) : 0;
        if (r < 0)
                return r;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        reader = ends[0];
        writer = ends[1];

        child->pid = fork();
        if (child->pid < 0) {
                child->pid = 0;
                return -errno;
        }
        if (child->pid == 0) {
                writer = close_fd(writer);
                child_begin(child, reader, parent);
        } else
                child_pass_on(child);

        return child->pid;
}

/* Waits until the child has exec'ed or failed; it may be stopped, or ended, before that. */
static int report_wait(Child *child, int report) {
        struct pollfd polls[] = {
                {.fd = report, .events = POLLIN},
                {.fd = child->signal_fd, .events = POLLIN},
        };
        int r = 0, status;

        while (r == 0) {
                if (poll(polls, ELEMENTSOF(polls), -1) < 0 && errno != EINTR)
                        return -errno;
                if (polls[0].revents)
                        return 0;
                if (polls[1].revents)
                        r = child_dispatch(child, &status);
        }

        /* It will be asked for again, and has to be heard of for that. */
        if (r > 0)
                (void)kill(getpid(), SIGCHLD);
        return r < 0 ? r : 0;
}

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
        r = report_wait(child, reader);
        if (r == 0)
                r = report_read(reader, ret_exec);
        if (r < 0 && child->pid > 0) {
                (void)waitpid(child->pid, NULL, 0);
                child->pid = 0;
        }

        return r;
}

/* Stops ourselves as the command was stopped, until somebody continues us. */
static void child_stop_with(const Child *child, int number) {
        struct sigaction action = {.sa_handler = SIG_DFL}, before;
        /* The other one cannot be held back. */
        int stop = number == SIGSTOP ? SIGTSTP : number;
        sigset_t one, mask;

        /* One that was sent to us as well came after any SIGCONT, which takes it back. */
        if (!signals_is_pending(stop)) {
                if (stop != GUARD)
                        (void)raise(stop);
                if (!signals_is_pending(GUARD)) {
                        /* Somebody was faster. This takes ours back, and sets the guard again. */
                        (void)raise(SIGCONT);
                        (void)kill(child->pid, SIGCONT);
                        return;
                }
        }

        (void)sigemptyset(&one);
        (void)sigaddset(&one, stop);
        (void)sigaction(stop, &action, &before);
        (void)sigprocmask(SIG_UNBLOCK, &one, &mask);
        /* Here we have stopped, and have been continued. */
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        (void)sigaction(stop, &before, NULL);
}

static int child_follow(Child *child, int *ret_status) {
        int status;
        pid_t pid;

        while (child->pid > 0) {
                pid = waitpid(child->pid, &status, WNOHANG | WUNTRACED);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid <= 0)
                        return pid < 0 ? -errno : 0;
                if (WIFSTOPPED(status)) {
                        child_stop_with(child, WSTOPSIG(status));
                        continue;
                }
                child->pid = 0;
                child->has_ended = true;
                child->status = status;
        }

        if (child->has_ended)
                *ret_status = child->status;
        return child->has_ended;
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

/* Once we were continued, before the command is: one that comes meanwhile is lost by this, and the
 * command has it all the same. One that was lost to SIGTSTP, which is read in its place, counts for
 * nothing. */
static void guard_set_after(int number) {
        if (number == SIGCONT ||
            (number == SIGTSTP && !signals_is_pending(GUARD) && !signals_is_pending(SIGCONT)))
                (void)raise(GUARD);
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

                guard_set_after((int)info.ssi_signo);
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
