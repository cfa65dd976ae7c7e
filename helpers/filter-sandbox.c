/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "helpers/filter-sandbox.h"

/* Numbers mean something only together with the architecture that they are of: a 64-bit process may
 * make the calls of a 32-bit one. */
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define NATIVE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#else
#error "The architecture's AUDIT_ARCH_ constant has to be added here."
#endif

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* Unless it is this one, the next statement is passed over. */
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(SECCOMP_RET_ALLOW)

static struct sock_filter program[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#ifdef __NR_poll
        ALLOW(__NR_poll),
#endif
        ALLOW(__NR_ppoll),
#ifdef __NR_ppoll_time64
        ALLOW(__NR_ppoll_time64),
#endif
        ALLOW(__NR_recvfrom),
        ALLOW(__NR_sendto),
#ifdef __NR_recv
        ALLOW(__NR_recv),
#endif
#ifdef __NR_send
        ALLOW(__NR_send),
#endif
        ALLOW(__NR_shutdown),
        ALLOW(__NR_close),
        /* Where the kernel does not tell the time without being called. */
        ALLOW(__NR_clock_gettime),
#ifdef __NR_clock_gettime64
        ALLOW(__NR_clock_gettime64),
#endif
        ALLOW(__NR_restart_syscall), /* poll, once a stopped process goes on */
        ALLOW(__NR_exit_group),
        RETURN(SECCOMP_RET_KILL_PROCESS),
};

int filter_sandbox_enter(void) {
        const struct sock_fprog filter = {.len = ELEMENTSOF(program), .filter = program};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
                return -errno;
        return 0;
}
