/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What may be done once it is entered is done in a child; so is what may not, which ends it. */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "helpers/filter-sandbox.h"

/* How it ended: its status, or minus the signal. */
static int run(void (*func)(int fd)) {
        int pair[2], status;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                const struct rlimit none = {};

                if (setrlimit(RLIMIT_CORE, &none) < 0 || filter_sandbox_enter() < 0)
                        _exit(2);
                func(pair[0]);
                (void)!syscall(SYS_exit_group, 0);
        }
        close_fd(pair[0]);
        close_fd(pair[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* The system calls themselves: sanitizers have functions of their own around some. */
static void do_what_is_allowed(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct timespec none = {}, now;
        char c;

        (void)!syscall(SYS_ppoll, &p, 1, &none, NULL, 0);
        (void)!syscall(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, NULL, 0);
        (void)!syscall(SYS_recvfrom, fd, &c, 1, MSG_DONTWAIT, NULL, NULL);
        (void)!syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        (void)!syscall(SYS_shutdown, fd, SHUT_WR);
        (void)!syscall(SYS_close, fd);
}

#define DEFINE_ATTEMPT(name, call)                \
        static void try_##name(_unused_ int fd) { \
                (void)!(call);                    \
        }                                         \
        struct _attempt_needs_a_semicolon

DEFINE_ATTEMPT(open, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY));
DEFINE_ATTEMPT(socket, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
DEFINE_ATTEMPT(connect, syscall(SYS_connect, fd, NULL, 0));
DEFINE_ATTEMPT(write, syscall(SYS_write, fd, "", 0));       /* into a file */
DEFINE_ATTEMPT(recvmsg, syscall(SYS_recvmsg, fd, NULL, 0)); /* descriptors */
DEFINE_ATTEMPT(sendmsg, syscall(SYS_sendmsg, fd, NULL, 0));
DEFINE_ATTEMPT(clone, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
DEFINE_ATTEMPT(execve, syscall(SYS_execve, "/bin/true", NULL, NULL));
DEFINE_ATTEMPT(kill, syscall(SYS_kill, 1, 0));
DEFINE_ATTEMPT(ptrace, syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL));
DEFINE_ATTEMPT(mmap, syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
DEFINE_ATTEMPT(prctl, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
DEFINE_ATTEMPT(ioctl, syscall(SYS_ioctl, fd, 0, NULL));
DEFINE_ATTEMPT(dup, syscall(SYS_dup, fd));
DEFINE_ATTEMPT(nonsense, syscall(100000));

static void test_what_is_left(void **state) {
        assert_int_equal(run(do_what_is_allowed), 0);
}

static void test_what_is_gone(void **state) {
        void (*const attempts[])(int fd) = {
                try_open,    try_socket, try_connect, try_write, try_recvmsg,
                try_sendmsg, try_clone,  try_execve,  try_kill,  try_ptrace,
                try_mmap,    try_prctl,  try_ioctl,   try_dup,   try_nonsense,
        };

        for (size_t i = 0; i < ELEMENTSOF(attempts); i++)
                if (run(attempts[i]) != -SIGSYS)
                        fail_msg("attempt %zu went on", i);
}

#ifdef __x86_64__
/* 1 is exit() to a 32-bit process, and write() to this one. */
static void try_other_architecture(_unused_ int fd) {
        long result;

        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(1L), "b"(0L)
                         : "memory", "r8", "r9", "r10", "r11");
}

static void try_x32(_unused_ int fd) {
        (void)syscall(0x40000000 | SYS_poll, NULL, 0, 0);
}
#endif

static void test_other_numbers(void **state) {
#ifdef __x86_64__
        assert_int_equal(run(try_other_architecture), -SIGSYS);
        assert_int_equal(run(try_x32), -SIGSYS);
#else
        skip();
#endif
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_left),
                cmocka_unit_test(test_what_is_gone),
                cmocka_unit_test(test_other_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
