/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/support/printed.h"

#define ARGUMENTS_MAX 8

void printed_script(FakeBroker *b) {
        fake_accept(b);
        for (const Exchange *e = b->data; e->call; e++) {
                fake_expect(b, e->call);
                for (size_t i = 0; i < ELEMENTSOF(e->replies) && e->replies[i]; i++)
                        fake_send(b, e->replies[i]);
        }
        fake_expect_hang_up(b);
}

/* A stream goes to a file in memory; returns where it went before. */
static int stream_take(int fd, int *ret_file) {
        int file = memfd_create("printed", MFD_CLOEXEC), saved;

        assert_true(file >= 0);
        saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        assert_true(saved >= 0);
        assert_int_equal(dup2(file, fd), fd);
        *ret_file = file;
        return saved;
}

static void stream_give_back(int fd, int saved, int file, char *buf, size_t size) {
        ssize_t n;

        assert_int_equal(dup2(saved, fd), fd);
        close_fd(saved);
        n = pread(file, buf, size - 1, 0);
        assert_true(n >= 0);
        buf[n] = 0;
        close_fd(file);
}

void printed_run(Printed *printed, PrintedCommand command, const Options *options,
                 const char *const *arguments, FakeScript script, const void *data) {
        FakeBroker *broker = fake_broker_start(script, data);
        int saved[2], files[2];
        Output output = {};
        Options own = *options;
        char *copies[ARGUMENTS_MAX + 1] = {};
        size_t n = 0;

        for (; arguments && arguments[n] && n < ARGUMENTS_MAX; n++)
                copies[n] = (char *)arguments[n];
        own.output = &output;

        (void)fflush(NULL);
        for (int i = 0; i < 2; i++)
                saved[i] = stream_take(STDOUT_FILENO + i, &files[i]);
        printed->status = command(&own, copies, n);
        (void)fflush(NULL);
        stream_give_back(STDOUT_FILENO, saved[0], files[0], printed->out, sizeof(printed->out));
        stream_give_back(STDERR_FILENO, saved[1], files[1], printed->err, sizeof(printed->err));

        fake_broker_stop(broker);
}
