/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helpers/transport-program.h"

/* How long it may take to end when it is asked to. */
#define END_MS 2000

/* [0] is read, [1] written. All are above the standard streams, which the transport has open. */
typedef struct Pipes {
        int input[2], output[2], errors[2];
        int result[2]; /* an errno, if it cannot be executed */
} Pipes;

#define PIPES_NULL \
        { {-EBADF, -EBADF}, {-EBADF, -EBADF}, {-EBADF, -EBADF}, {-EBADF, -EBADF}, }

static void pipes_deinit(Pipes *pipes) {
        int *const all[] = {pipes->input, pipes->output, pipes->errors, pipes->result};

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (size_t j = 0; j < 2; j++)
                        all[i][j] = close_fd(all[i][j]);
}

static int pipes_init(Pipes *pipes) {
        int *const all[] = {pipes->input, pipes->output, pipes->errors, pipes->result};

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (pipe2(all[i], O_CLOEXEC) < 0)
                        return -errno;

        return 0;
}

/* ^C and ^\ are for whoever uses the terminal, and not to cut connections: ssh leaves a signal
 * ignored that it finds so, but for the time of its prompts. */
static bool child_set_signals(void) {
        return signal(SIGPIPE, SIG_DFL) != SIG_ERR && signal(SIGINT, SIG_IGN) != SIG_ERR &&
               signal(SIGQUIT, SIG_IGN) != SIG_ERR;
}

static _noreturn_ void child_run(char *const *arguments, const Pipes *pipes, pid_t parent) {
        int error;

        if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 && getppid() == parent &&
            child_set_signals() && dup2(pipes->input[0], STDIN_FILENO) >= 0 &&
            dup2(pipes->output[1], STDOUT_FILENO) >= 0 &&
            dup2(pipes->errors[1], STDERR_FILENO) >= 0)
                (void)execvp(arguments[0], arguments);

        error = errno;
        (void)!write(pipes->result[1], &error, sizeof(error));
        _exit(EXIT_FAILURE);
}

/* What has become of execvp(3). */
static int result_read(Pipes *pipes) {
        int error = 0;
        ssize_t n;

        pipes->result[1] = close_fd(pipes->result[1]);
        do
                n = read(pipes->result[0], &error, sizeof(error));
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return -errno;
        return n == 0 ? 0 : -(error > 0 ? error : EIO);
}

int transport_program_start(char *const *arguments, TransportProgram *ret) {
        _cleanup_(transport_program_deinit) TransportProgram program = TRANSPORT_PROGRAM_NULL;
        _cleanup_(pipes_deinit) Pipes pipes = PIPES_NULL;
        pid_t self = getpid();
        int r;

        r = pipes_init(&pipes);
        if (r < 0)
                return r;

        program.pid = fork();
        if (program.pid < 0)
                return -errno;
        if (program.pid == 0)
                child_run(arguments, &pipes, self);

        r = result_read(&pipes);
        if (r < 0)
                return r;
        program.pidfd = pidfd_open(program.pid, 0);
        if (program.pidfd < 0)
                return -errno;

        program.input = TAKE_FD(pipes.input[1]);
        program.output = TAKE_FD(pipes.output[0]);
        program.errors = TAKE_FD(pipes.errors[0]);
        *ret = program;
        program = (TransportProgram)TRANSPORT_PROGRAM_NULL;
        return 0;
}

bool transport_program_has_ended(TransportProgram *program) {
        if (program->pid > 0 && waitpid(program->pid, &program->status, WNOHANG) == program->pid)
                program->pid = 0;

        return program->pid == 0;
}

static bool wait_for(TransportProgram *program, int timeout_ms) {
        struct pollfd p = {.fd = program->pidfd, .events = POLLIN};

        /* Nothing here has a handler that would interrupt. */
        (void)poll(&p, 1, timeout_ms);
        return transport_program_has_ended(program);
}

void transport_program_stop(TransportProgram *program, int patience_ms) {
        if (transport_program_has_ended(program) || wait_for(program, patience_ms))
                return;

        (void)kill(program->pid, SIGTERM);
        if (wait_for(program, END_MS))
                return;

        (void)kill(program->pid, SIGKILL);
        (void)wait_for(program, -1);
}

void transport_program_deinit(TransportProgram *program) {
        if (program->pid > 0) {
                (void)kill(program->pid, SIGKILL);
                (void)waitpid(program->pid, &program->status, 0);
        }

        close_fd(program->pidfd);
        close_fd(program->input);
        close_fd(program->output);
        close_fd(program->errors);
        *program = (TransportProgram)TRANSPORT_PROGRAM_NULL;
}
