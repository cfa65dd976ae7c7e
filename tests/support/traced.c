/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "tests/support/traced.h"

#define STOP_OF_CALL (SIGTRAP | 0x80)
#define NEVER (-1)

/* Which argument of a call has the flag, and what the flag is. */
static const struct {
        long number;
        const char *name;
        int argument; /* NEVER: it has none */
        uint64_t flag;
} calls[] = {
        {SYS_accept4, "accept4", 3, SOCK_CLOEXEC},
        {SYS_dup, "dup", NEVER, 0},
        {SYS_dup3, "dup3", 2, O_CLOEXEC},
        {SYS_epoll_create1, "epoll_create1", 0, EPOLL_CLOEXEC},
        {SYS_eventfd2, "eventfd2", 1, EFD_CLOEXEC},
        {SYS_inotify_init1, "inotify_init1", 0, IN_CLOEXEC},
        {SYS_memfd_create, "memfd_create", 1, MFD_CLOEXEC},
        {SYS_openat, "openat", 2, O_CLOEXEC},
        {SYS_openat2, "openat2", NEVER, 0}, /* its flags are not in a register */
        {SYS_pipe2, "pipe2", 1, O_CLOEXEC},
        {SYS_recvmmsg, "recvmmsg", 3, MSG_CMSG_CLOEXEC},
        {SYS_recvmsg, "recvmsg", 2, MSG_CMSG_CLOEXEC},
        {SYS_signalfd4, "signalfd4", 3, SFD_CLOEXEC},
        {SYS_socket, "socket", 1, SOCK_CLOEXEC},
        {SYS_socketpair, "socketpair", 1, SOCK_CLOEXEC},
        {SYS_timerfd_create, "timerfd_create", 1, TFD_CLOEXEC},
#ifdef SYS_open
        {SYS_accept, "accept", NEVER, 0},
        {SYS_creat, "creat", NEVER, 0},
        {SYS_dup2, "dup2", NEVER, 0},
        {SYS_epoll_create, "epoll_create", NEVER, 0},
        {SYS_eventfd, "eventfd", NEVER, 0},
        {SYS_inotify_init, "inotify_init", NEVER, 0},
        {SYS_open, "open", 1, O_CLOEXEC},
        {SYS_pipe, "pipe", NEVER, 0},
        {SYS_signalfd, "signalfd", NEVER, 0},
#endif
};

static void traced_fail(Traced *traced, const char *text, int number) {
        if (!traced->problem[0])
                (void)snprintf(traced->problem, sizeof(traced->problem), "%s %d", text, number);
}

static void check_fcntl(Traced *traced, const uint64_t *arguments) {
        int command = (int)arguments[1];

        traced->n_made += command == F_DUPFD_CLOEXEC;
        if (command == F_DUPFD || (command == F_SETFD && !(arguments[2] & FD_CLOEXEC)))
                traced_fail(traced, "fcntl makes one without close-on-exec, by command", command);
}

static void check_call(Traced *traced, long number, const uint64_t *arguments) {
        if (number == SYS_fcntl)
                check_fcntl(traced, arguments);

        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                if (calls[i].number == number) {
                        traced->n_made++;
                        if (calls[i].argument == NEVER ||
                            !(arguments[calls[i].argument] & calls[i].flag))
                                traced_fail(traced, calls[i].name, (int)number);
                }
}

static void on_call(Traced *traced) {
        struct __ptrace_syscall_info info = {};

        if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->pid, sizeof(info), &info) < 0)
                traced_fail(traced, "PTRACE_GET_SYSCALL_INFO", errno);
        else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                if (info.entry.nr == SYS_sched_yield)
                        traced->is_marked = !traced->is_marked;
                else if (traced->is_marked)
                        check_call(traced, (long)info.entry.nr, info.entry.args);
        }
}

int traced_start(Traced *traced, int (*func)(void)) {
        *traced = (Traced){.pid = fork()};
        if (traced->pid < 0)
                return -errno;
        if (traced->pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(EXIT_FAILURE);
                (void)raise(SIGSTOP);
                _exit(func());
        }

        if (waitpid(traced->pid, &traced->status, 0) != traced->pid ||
            !WIFSTOPPED(traced->status) ||
            ptrace(PTRACE_SETOPTIONS, traced->pid, NULL,
                   (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0)
                return -EPERM;
        return 0;
}

void traced_mark(void) {
        (void)sched_yield();
}

void traced_run(Traced *traced) {
        uintptr_t number = 0;

        while (ptrace(PTRACE_SYSCALL, traced->pid, NULL, (void *)number) == 0 &&
               waitpid(traced->pid, &traced->status, 0) == traced->pid &&
               WIFSTOPPED(traced->status)) {
                number = 0;
                if (WSTOPSIG(traced->status) == STOP_OF_CALL) {
                        on_call(traced);
                        continue;
                }

                number = (uintptr_t)WSTOPSIG(traced->status);
                if (traced->is_marked) {
                        traced->n_signals++;
                        traced_fail(traced, "it got the signal", (int)number);
                }
        }
}
