/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/complain.h"
#include "common/userfile.h"
#include "config.h"

/* Standard error is a pipe until it is read. */
typedef struct Fixture {
        int before, reader;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        int fds[2];

        if (!f || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -1;
        f->before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        f->reader = fds[0];
        (void)dup2(fds[1], STDERR_FILENO);
        close_fd(fds[1]);
        *state = f;
        return 0;
}

static void read_said(Fixture *f, char *buf, size_t size) {
        ssize_t n = read(f->reader, buf, size - 1);

        (void)dup2(f->before, STDERR_FILENO);
        buf[n < 0 ? 0 : n] = 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void)dup2(f->before, STDERR_FILENO);
        close_fd(f->before);
        close_fd(f->reader);
        free(f);
        return 0;
}

static void test_line(void **state) {
        char said[256];

        complain("It is %s: %d", "so", 3);
        read_said(*state, said, sizeof(said));
        assert_string_equal(said, "<3>It is so: 3\n");
}

/* Whether this machine has the user or not: what is said goes with what is returned. */
static void test_broker(void **state) {
        uid_t uid = 77, expected = 77;
        char said[256];
        int r;

        r = complain_find_broker(&uid);
        read_said(*state, said, sizeof(said));
        assert_int_equal(r, userfile_get_uid(USERFILE_PASSWD, BROKER_USER, &expected));
        assert_int_equal(uid, expected);
        assert_string_equal(said, r == 0 ? ""
                                         : "<3>There is no user " BROKER_USER " in " USERFILE_PASSWD
                                           ", so nobody may ask. Run: systemd-sysusers\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_line),
                TEST(test_broker),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
