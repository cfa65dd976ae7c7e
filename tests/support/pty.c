/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cmocka.h needs what stands before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/support/pty.h"

typedef struct News {
        enum { NEWS_STARTED = 1, NEWS_STOPPED, NEWS_ENDED } what;
        int status;
        pid_t pid;
} News;

/* What the shell and the job have. */
typedef struct Side {
        PtyPlace place;
        PtyJob job;
        void *userdata;
        int terminal, orders, news, outcome, streams, go;
} Side;

static void read_all(int fd, void *data, size_t n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&p, 1, PTY_TIMEOUT_MS), 1);
        assert_int_equal(read(fd, data, n), n);
}

static void pipe_of(int *ret_reader, int *ret_writer) {
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        *ret_reader = ends[0];
        *ret_writer = ends[1];
}

static _noreturn_ void job_main(const Side *side) {
        PtyOutcome outcome = {};
        char c;

        if (side->place == PTY_ELSEWHERE)
                (void)setsid();
        else
                (void)setpgid(0, 0);
        /* However the tests were started. */
        for (int i = 1; i < SIGRTMIN; i++)
                (void)signal(i, SIG_DFL);
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
                (void)dup2(side->streams, fd);
        close_fd(side->terminal);

        if (read(side->go, &c, 1) == 1) {
                side->job(&outcome, side->userdata);
                (void)!write(side->outcome, &outcome, sizeof(outcome));
        }
        _exit(0);
}

static void tell(const Side *side, News news) {
        if (write(side->news, &news, sizeof(news)) != sizeof(news))
                _exit(1);
}

static void shell_wait(const Side *side, pid_t job) {
        int status;
        char order;

        for (;;) {
                if (waitpid(job, &status, WUNTRACED) != job)
                        _exit(1);
                if (side->place == PTY_FOREGROUND)
                        (void)tcsetpgrp(side->terminal, getpgrp());
                if (!WIFSTOPPED(status)) {
                        tell(side, (News){NEWS_ENDED, status, job});
                        return;
                }

                tell(side, (News){NEWS_STOPPED, WSTOPSIG(status), job});
                if (read(side->orders, &order, 1) != 1)
                        _exit(1);
                if (order == 'f')
                        (void)tcsetpgrp(side->terminal, job);
                (void)kill(-job, SIGCONT);
        }
}

static _noreturn_ void shell_main(const Side *side) {
        pid_t job;
        char c;

        (void)alarm(4 * PTY_TIMEOUT_MS / 1000);
        (void)setsid();
        (void)signal(SIGTTOU, SIG_IGN);
        (void)signal(SIGHUP, SIG_DFL);
        if (ioctl(side->terminal, TIOCSCTTY, 0) < 0)
                _exit(1);

        job = fork();
        if (job == 0)
                job_main(side);
        if (side->place != PTY_ELSEWHERE)
                (void)setpgid(job, job);
        if (side->place == PTY_FOREGROUND)
                (void)tcsetpgrp(side->terminal, job);
        tell(side, (News){NEWS_STARTED, 0, job});

        shell_wait(side, job);
        /* With the session's leader the terminal would go. */
        _exit((int)read(side->orders, &c, 1));
}

void pty_init(Pty *pty) {
        *pty = (Pty){.shell = -1};
        assert_int_equal(openpty(&pty->master, &pty->keep, NULL, NULL, NULL), 0);
        assert_int_equal(fcntl(pty->master, F_SETFD, FD_CLOEXEC), 0);
        assert_int_equal(fcntl(pty->master, F_SETFL, O_RDWR | O_NONBLOCK), 0);
        assert_int_equal(tcgetattr(pty->keep, &pty->modes), 0);
}

void pty_start(Pty *pty, PtyPlace place, PtyJob job, void *userdata) {
        Side side = {.place = place, .job = job, .userdata = userdata};
        News news;

        pipe_of(&side.orders, &pty->orders);
        pipe_of(&pty->news, &side.news);
        pipe_of(&pty->outcome, &side.outcome);
        pipe_of(&pty->streams, &side.streams);
        side.terminal = pty->keep;
        side.go = side.orders;

        pty->shell = fork();
        assert_true(pty->shell >= 0);
        if (pty->shell == 0) {
                close_fd(pty->master);
                close_fd(pty->orders);
                shell_main(&side);
        }

        close_fd(side.orders);
        close_fd(side.news);
        close_fd(side.outcome);
        close_fd(side.streams);
        read_all(pty->news, &news, sizeof(news));
        assert_int_equal(news.what, NEWS_STARTED);
        pty->job = news.pid;
}

static void order(Pty *pty, char c) {
        assert_int_equal(write(pty->orders, &c, 1), 1);
}

void pty_go(Pty *pty) {
        order(pty, 'g');
}

void pty_type_bytes(Pty *pty, const char *data, size_t n) {
        while (n > 0) {
                struct pollfd p = {.fd = pty->master, .events = POLLOUT};
                ssize_t k;

                assert_int_equal(poll(&p, 1, PTY_TIMEOUT_MS), 1);
                k = write(pty->master, data, n);
                assert_true(k > 0);
                data += k;
                n -= (size_t)k;
                /* What is echoed has to go somewhere. */
                pty_look(pty);
        }
}

void pty_type(Pty *pty, const char *text) {
        pty_type_bytes(pty, text, strlen(text));
}

void pty_look(Pty *pty) {
        ssize_t k;

        while ((k = read(pty->master, pty->output + pty->n, sizeof(pty->output) - 1 - pty->n)) > 0)
                pty->n += (size_t)k;
        pty->output[pty->n] = 0;
}

void pty_forget(Pty *pty) {
        pty_look(pty);
        pty->n = 0;
        pty->output[0] = 0;
}

void pty_expect(Pty *pty, const char *text) {
        for (;;) {
                struct pollfd p = {.fd = pty->master, .events = POLLIN};

                pty_look(pty);
                if (strstr(pty->output, text))
                        return;
                if (poll(&p, 1, PTY_TIMEOUT_MS) != 1)
                        fail_msg("waited for \"%s\", and saw \"%s\"", text, pty->output);
        }
}

void pty_expect_echo(Pty *pty, bool on) {
        struct termios modes;

        for (int i = 0; i < PTY_TIMEOUT_MS; i++) {
                assert_int_equal(tcgetattr(pty->keep, &modes), 0);
                if (!(modes.c_lflag & ECHO) == !on)
                        return;
                (void)usleep(1000);
        }

        fail_msg("echo is not %s", on ? "on" : "off");
}

void pty_check_modes(Pty *pty) {
        struct termios modes;

        assert_int_equal(tcgetattr(pty->keep, &modes), 0);
        assert_int_equal(modes.c_iflag, pty->modes.c_iflag);
        assert_int_equal(modes.c_oflag, pty->modes.c_oflag);
        assert_int_equal(modes.c_lflag, pty->modes.c_lflag);
        assert_memory_equal(modes.c_cc, pty->modes.c_cc, sizeof(modes.c_cc));
}

void pty_set_modes(Pty *pty, const struct termios *modes) {
        assert_int_equal(tcsetattr(pty->keep, TCSANOW, modes), 0);
        pty->modes = *modes;
}

void pty_expect_stop(Pty *pty, int signal_number) {
        News news;

        read_all(pty->news, &news, sizeof(news));
        assert_int_equal(news.what, NEWS_STOPPED);
        assert_int_equal(news.status, signal_number);
}

void pty_foreground(Pty *pty) {
        order(pty, 'f');
}

void pty_background(Pty *pty) {
        order(pty, 'b');
}

static void finish(Pty *pty, int *ret_status, PtyOutcome *ret) {
        size_t said = 0;
        News news;
        int status;
        ssize_t n;

        read_all(pty->news, &news, sizeof(news));
        assert_int_equal(news.what, NEWS_ENDED);
        *ret_status = news.status;
        if (ret)
                assert_int_equal(read(pty->outcome, ret, sizeof(*ret)), sizeof(*ret));
        pty_check_modes(pty);
        pty_look(pty);
        pty_check_nothing_typed(pty);

        pty->orders = close_fd(pty->orders);
        assert_int_equal(waitpid(pty->shell, &status, 0), pty->shell);
        assert_int_equal(status, 0);
        pty->shell = -1;
        while ((n = read(pty->streams, pty->said + said, sizeof(pty->said) - 1 - said)) > 0)
                said += (size_t)n;
        if (!pty->may_speak)
                assert_string_equal(pty->said, "");
        close_fd(pty->news);
        close_fd(pty->outcome);
        close_fd(pty->streams);
}

void pty_finish(Pty *pty, PtyOutcome *ret) {
        int status;

        finish(pty, &status, ret);
        assert_int_equal(status, 0);
}

void pty_finish_killed(Pty *pty, int signal_number) {
        int status;

        finish(pty, &status, NULL);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signal_number);
}

void pty_check_nothing_typed(Pty *pty) {
        struct termios modes, raw;
        int n = -1;

        /* Half a line counts, too. */
        assert_int_equal(tcgetattr(pty->keep, &modes), 0);
        raw = modes;
        raw.c_lflag &= ~(tcflag_t)ICANON;
        assert_int_equal(tcsetattr(pty->keep, TCSANOW, &raw), 0);
        assert_int_equal(ioctl(pty->keep, FIONREAD, &n), 0);
        assert_int_equal(tcsetattr(pty->keep, TCSANOW, &modes), 0);
        assert_int_equal(n, 0);
}

void pty_deinit(Pty *pty) {
        if (pty->shell > 0) {
                (void)kill(pty->job, SIGKILL);
                (void)kill(pty->shell, SIGKILL);
                (void)waitpid(pty->shell, NULL, 0);
        }
        close_fd(pty->master);
        close_fd(pty->keep);
}
