/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/fake-broker.h"

static void script(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.Forget\",\"parameters\":{}}");
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

/* Runs the command; what it prints goes to a file in memory. */
static int run(const char *reply, const Options *options, char *buf, size_t size) {
        FakeBroker *broker = fake_broker_start(script, reply);
        int fd = memfd_create("output", MFD_CLOEXEC), saved, status;
        ssize_t n;

        assert_true(fd >= 0);
        (void)fflush(stdout);
        saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
        status = command_forget(options, NULL, 0);
        (void)fflush(stdout);
        assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
        close_fd(saved);

        n = pread(fd, buf, size - 1, 0);
        assert_true(n >= 0);
        buf[n] = 0;
        close_fd(fd);
        fake_broker_stop(broker);
        return status;
}

static void check(const char *reply, const Options *options, int status, const char *output) {
        char buf[1024];

        assert_int_equal(run(reply, options, buf, sizeof(buf)), status);
        if (!strstr(buf, output) || (!output[0] && buf[0]))
                fail_msg("%s", buf);
}

#define FORGOTTEN(n) "{\"parameters\":{\"forgotten\":" n ",\"requestId\":\"r1\"}}"

static void test_forget(void **state) {
        Options options = {.fd = -EBADF};

        check(FORGOTTEN("2"), &options, 0, "Remembered passwords forgotten: 2\n");
        check(FORGOTTEN("0"), &options, 0, "Remembered passwords forgotten: 0\n");
        options.given = OPTION_QUIET;
        check(FORGOTTEN("2"), &options, 0, "");
        options.json = JSON_SHORT;
        check(FORGOTTEN("2"), &options, 0, "{\"forgotten\":2,\"requestId\":\"r1\"}\n");
}

static void test_refused(void **state) {
        Options options = {.fd = -EBADF, .json = JSON_SHORT};

        check("{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":"
              "{\"method\":\"org.doorward.Broker.Forget\"}}",
              &options, 85, "\"class\":\"unsupported\"");
        check(FORGOTTEN("-1"), &options, 87, "\"class\":\"protocol\"");
        check(FORGOTTEN("\"2\""), &options, 87, "\"class\":\"protocol\"");
        check("{}", &options, 87, "\"class\":\"protocol\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forget),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
