/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The listener runs in a child; in place of a filter it starts shell scripts, and the test is the
 * broker. */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "helpers/filter-broker.h"
#include "helpers/filter-server.h"
#include "tests/support/listener.h"

#define PATIENCE_MSEC 10000

typedef struct Fixture {
        char path[64];
        char program[64];
        int listener;
        pid_t pid;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "/tmp/test-filter-server-%d", (int)getpid());
        (void)snprintf(f->program, sizeof(f->program), "/tmp/test-filter-%d", (int)getpid());
        f->listener = listener_bind(SOCK_SEQPACKET | SOCK_NONBLOCK, f->path);
        if (f->listener < 0 || listen(f->listener, 8) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (f->pid > 0) {
                (void)kill(f->pid, SIGKILL);
                (void)waitpid(f->pid, NULL, 0);
        }
        close_fd(f->listener);
        (void)unlink(f->path);
        (void)unlink(f->program);
        free(f);
        return 0;
}

static void write_program(const Fixture *f, const char *text) {
        FILE *file = fopen(f->program, "we");

        assert_non_null(file);
        assert_true(fprintf(file, "#!/bin/sh\n%s\n", text) > 0);
        assert_return_code(fchmod(fileno(file), 0700), errno);
        assert_return_code(fclose(file), errno);
}

static void start(Fixture *f) {
        f->pid = fork();
        assert_true(f->pid >= 0);
        if (f->pid == 0) {
                const FilterServer server = {f->listener, f->program};

                /* Nothing of this is to get into a filter. */
                assert_return_code(setenv("LISTEN_FDS", "1", 1), errno);
                _exit(filter_server_run(&server) == 0 ? 0 : 1);
        }
}

static int ask(const Fixture *f) {
        struct sockaddr_un address;
        int fd, n = socket_address(f->path, &address);

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0 && n > 0);
        assert_return_code(connect(fd, (struct sockaddr *)&address, (socklen_t)n), errno);
        return fd;
}

/* The next message, or "" at the end. */
static void receive(int fd, char *ret, size_t size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&p, 1, PATIENCE_MSEC), 1);
        n = recv(fd, ret, size - 1, 0);
        assert_true(n >= 0 || errno == ECONNRESET);
        ret[n < 0 ? 0 : n] = '\0';
}

/* What it is told, and what it has: one connection, and nothing to read in its environment. */
static void passed(void **state) {
        char text[4096];
        Fixture *f = *state;
        int fd;

        /* The shell itself sets some, and reads its script at a higher descriptor. */
        write_program(f, "unset PWD OLDPWD SHLVL _; v=$(env | wc -l)\n"
                         "for fd in 0 1 2 3 4 5 6 7 8 9; do\n"
                         "        [ -e /proc/$$/fd/$fd ] && fds=$fds$fd\n"
                         "done\n"
                         "echo \"$0 $# $v $fds\" >&3");
        start(f);
        fd = ask(f);
        receive(fd, text, sizeof(text));
        assert_int_equal(strncmp(text, f->program, strlen(f->program)), 0);
        assert_string_equal(text + strlen(f->program), " 0 0 0123\n");
        close_fd(fd);
}

static pid_t receive_pid(int fd) {
        char text[32];

        receive(fd, text, sizeof(text));
        return (pid_t)strtol(text, NULL, 10);
}

/* A process for each connection; that one ends is no end of another, and nothing of it stays: the
 * listener has no copy of the connection, and no child that is left. */
static void one_for_each(void **state) {
        Fixture *f = *state;
        char text[32];
        pid_t pids[3];
        int fds[3];

        write_program(f, "echo $$ >&3; read x <&3");
        start(f);
        for (size_t i = 0; i < 3; i++) {
                fds[i] = ask(f);
                pids[i] = receive_pid(fds[i]);
                assert_true(pids[i] > 0 && pids[i] != f->pid);
        }
        assert_true(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2]);

        assert_return_code(kill(pids[1], SIGKILL), errno);
        receive(fds[1], text, sizeof(text));
        assert_string_equal(text, "");
        assert_return_code(kill(pids[0], 0), errno);
        assert_return_code(kill(pids[2], 0), errno);
        /* Reaped: a zombie could be signalled. */
        for (int i = 0; i < PATIENCE_MSEC / 10 && kill(pids[1], 0) == 0; i++)
                (void)poll(NULL, 0, 10);
        assert_int_equal(kill(pids[1], 0), -1);

        for (size_t i = 0; i < 3; i++)
                close_fd(fds[i]);
}

/* What cannot be started hangs up on the one who asked, and the next is tried again. */
static void not_there(void **state) {
        char text[32];
        Fixture *f = *state;
        int fd;

        start(f);
        for (int i = 0; i < 3; i++) {
                fd = ask(f);
                receive(fd, text, sizeof(text));
                assert_string_equal(text, "");
                close_fd(fd);
        }

        write_program(f, "echo $$ >&3");
        fd = ask(f);
        assert_true(receive_pid(fd) > 0);
        close_fd(fd);
}

/* A connection that is there before it waits is no different. */
static void early(void **state) {
        Fixture *f = *state;
        int fd;

        write_program(f, "echo $$ >&3");
        fd = ask(f);
        start(f);
        assert_true(receive_pid(fd) > 0);
        close_fd(fd);
}

/* A listener that takes no more connections is an error, and not asked over and over. */
static void useless_listener(void **state) {
        Fixture *f = *state;
        int status;

        assert_return_code(shutdown(f->listener, SHUT_RDWR), errno);
        start(f);
        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        f->pid = 0;
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(passed, setup, teardown),
                cmocka_unit_test_setup_teardown(one_for_each, setup, teardown),
                cmocka_unit_test_setup_teardown(not_there, setup, teardown),
                cmocka_unit_test_setup_teardown(early, setup, teardown),
                cmocka_unit_test_setup_teardown(useless_listener, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
