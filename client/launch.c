/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "client/launch.h"
#include "client/log.h"

/* Of the child in between. A multiple of what any machine wants stacks aligned to. */
#define STACK_SIZE 65536U

typedef struct Launch {
        const LaunchSpec *spec;
        const int *fds;
        size_t n_fds;
} Launch;

/* From here to launch_intermediate() the process is a copy of one thread of the host program: a
 * lock may be held for ever, so nothing is called that signal-safety(7) does not name, or that is
 * more than its system call. */

static void signals_reset(void) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t none;

        /* Some cannot be changed, and are as they are in every process. */
        for (int i = 1; i < NSIG; i++)
                (void)sigaction(i, &action, NULL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Each to its own number. First all of them out of the way, since one may stand where another is to
 * go. */
static bool descriptors_number(const Launch *launch) {
        int moved[LAUNCH_FDS_MAX];

        for (size_t i = 0; i < launch->n_fds; i++) {
                moved[i] = fcntl(launch->fds[i], F_DUPFD, LAUNCH_FD + (int)LAUNCH_FDS_MAX);
                if (moved[i] < 0)
                        return false;
        }
        for (size_t i = 0; i < launch->n_fds; i++)
                if (dup2(moved[i], LAUNCH_FD + (int)i) < 0)
                        return false;

        return true;
}

/* Neither the standard streams nor any other descriptor of the host program goes along: whoever
 * waits for its end must not have to wait for ours. */
static bool descriptors_place(const Launch *launch) {
        int null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

        if (null_fd < 0)
                return false;
        for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
                /* dup2(2) of a descriptor onto itself would leave close-on-exec set. */
                if (null_fd == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(null_fd, i) < 0)
                        return false;

        return descriptors_number(launch) &&
               close_range(LAUNCH_FD + (unsigned)launch->n_fds, ~0U, 0) == 0;
}

static void launch_exec(const Launch *launch) {
        const LaunchSpec *spec = launch->spec;
        int fd = launch->fds[0];

        if (descriptors_place(launch) && (spec->stays || chdir("/") == 0)) {
                signals_reset();
                (void)execve(launch->spec->program, spec->arguments, spec->environment);
                fd = LAUNCH_FD;
        }

        (void)send(fd, spec->last_words, spec->n_last_words, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Its status is whether there is anything to wait for. It returns instead of ending by _exit(2):
 * its stack is not one that the sanitizers know. */
static int launch_intermediate(void *userdata) {
        const Launch *launch = userdata;
        pid_t pid;

        if (!launch->spec->stays && setsid() < 0)
                return EXIT_FAILURE;

        /* Not fork(3), which would run what the host program has registered with pthread_atfork(3).
         */
        pid = _Fork();
        if (pid == 0)
                launch_exec(launch);

        return pid > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -ECHILD is no failure: whoever waits for everything may have been faster. */
static int intermediate_wait(pid_t pid) {
        siginfo_t info = {};
        int r;

        do
                r = waitid(P_PID, (id_t)pid, &info, WEXITED | __WALL);
        while (r < 0 && errno == EINTR);

        if (r < 0)
                return errno == ECHILD ? 0 : -errno;
        return info.si_code == CLD_EXITED && info.si_status == EXIT_SUCCESS ? 0 : -EAGAIN;
}

static int intermediate_run(Launch *launch) {
        _cleanup_free_ char *stack = malloc(STACK_SIZE);
        pid_t pid;

        if (!stack)
                return -ENOMEM;

        /* No flag and no signal: a copy of this process, whose end is told to nobody. */
        pid = clone(launch_intermediate, stack + STACK_SIZE, 0, launch);
        return pid < 0 ? -errno : intermediate_wait(pid);
}

static int launch_run(Launch *launch) {
        sigset_t all, before;
        int cancel, r;

        /* No handler of the host program runs in a copy of it, and no thread is cancelled there. */
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
        (void)sigfillset(&all);
        r = pthread_sigmask(SIG_BLOCK, &all, &before);
        if (r == 0) {
                r = -intermediate_run(launch);
                (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        (void)pthread_setcancelstate(cancel, NULL);

        log_debug(LOG_CATEGORY_LAUNCH, "Started %s: %s", launch->spec->program,
                  r == 0 ? "on its way" : strerrordesc_np(r));
        return -r;
}

int launch_consume_fds(const LaunchSpec *spec, const int *fds, size_t n) {
        Launch launch = {.spec = spec, .fds = fds, .n_fds = n};
        int r;

        r = n > 0 && n <= LAUNCH_FDS_MAX ? launch_run(&launch) : -EINVAL;
        for (size_t i = 0; i < n; i++)
                close_fd(fds[i]);
        return r;
}
