/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/remote-program.h"
#include "common/transport-protocol.h"
#include "tests/support/fds.h"

#define TIMEOUT_MS 10000

/* ssh, as it is found: it says what it was given. */
static char folder[] = "/tmp/doorward-test-XXXXXX";

static int setup(void **state) {
        char path[64];
        FILE *f;

        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/ssh", folder);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs("#!/bin/sh\nprintf '<%s>' \"$@\"\nprintf '|%s' \"$DOORWARD_TEST\"\n",
                          f) >= 0);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(path, 0755), 0);
        (void)snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
        assert_int_equal(setenv("PATH", path, 1), 0);
        assert_int_equal(setenv("DOORWARD_TEST", "kept", 1), 0);
        return 0;
}

static int teardown(void **state) {
        char path[64];

        (void)snprintf(path, sizeof(path), "%s/ssh", folder);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0);
        return 0;
}

static void check(const char *text, bool may_ask, const char *expected) {
        unsigned n_fds = fds_count();
        _cleanup_error_ doorward_error error = {};
        char buf[2048];
        int control, data;
        size_t n = 0;
        ssize_t k;
        Uri uri;

        assert_int_equal(uri_parse(text, &uri, &error), 0);
        assert_int_equal(remote_program_launch(&uri, may_ask, &control, &data, &error), 0);
        assert_true(control > 2 && data > 2);
        while ((k = recv(data, buf + n, sizeof(buf) - 1 - n, 0)) > 0)
                n += (size_t)k;
        buf[n] = 0;
        assert_string_equal(buf, expected);
        close_fd(control);
        close_fd(data);
        assert_int_equal(fds_count(), n_fds);
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

static void test_ssh(void **state) {
        check("doorward+ssh://box/docker", true, "<-T><-e><none><--><box><doorward relay>|kept");
        check("doorward+ssh://box/docker", false,
              "<-o><BatchMode=yes><-T><-e><none><--><box><doorward relay>|kept");
        check("doorward+ssh://bob@[2001:db8::7]:2222/docker?command=/opt/x/doorward&keyfile=/a%20b",
              true,
              "<-p><2222><-l><bob><-i></a b><-T><-e><none><--><2001:db8::7>"
              "</opt/x/doorward relay>|kept");
}

/* Whatever stands before it, and with the one argument. */
static void test_ext(void **state) {
        char text[128];

        (void)snprintf(text, sizeof(text), "doorward+ext:///docker?command=%s/ssh", folder);
        check(text, true, "<relay>|kept");
}

static void test_origin(void **state) {
        static const char *const cases[][2] = {
                {"doorward+ssh://box/docker", "box: "},
                {"doorward+ssh://bob@box.example.com:22/docker", "bob@box.example.com: "},
                {"doorward+ssh://[::1]/docker", "::1: "},
                {"doorward+ext:///docker?command=/usr/lib/x/far", "far: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_error_ doorward_error error = {};
                char buf[REMOTE_ORIGIN_SIZE];
                Uri uri;

                assert_int_equal(uri_parse(cases[i][0], &uri, &error), 0);
                remote_origin(&uri, buf);
                assert_string_equal(buf, cases[i][1]);
        }
}

/* What ssh would take for an option, or a shell for more than a word, is no URI: nothing is
 * started. */
static void test_hostile(void **state) {
        static const char *const hostile[] = {
                "doorward+ssh://-oProxyCommand=x/",
                "doorward+ssh://-oProxyCommand=x/docker",
                "doorward+ssh://%2doProxyCommand=x/docker",
                "doorward+ssh://-l@box/docker",
                "doorward+ssh://%2dl@box/docker",
                "doorward+ssh://a%20b/docker",
                "doorward+ssh://a b/docker",
                "doorward+ssh://a%0ab/docker",
                "doorward+ssh://a\nb/docker",
                "doorward+ssh://a%00b/docker",
                "doorward+ssh://a%1bb/docker",
                "doorward+ssh://u%20v@box/docker",
                "doorward+ssh://u%09@box/docker",
                "doorward+ssh://u%7f@box/docker",
                "doorward+ssh://box:22%20/docker",
                "doorward+ssh://box/doc%20ker",
                "doorward+ssh://box/docker%0a",
                "doorward+ssh://box/docker?command=/bin/x%20y",
                "doorward+ssh://box/docker?command=/bin/x;y",
                "doorward+ssh://box/docker?command=/bin/$(x)",
                "doorward+ssh://box/docker?command=x",
                "doorward+ssh://box/docker?command=-x",
                "doorward+ssh://box/docker?keyfile=/a%0ab",
                "doorward+ssh://box/docker?keyfile=/%25h",
                "doorward+ssh://box/docker?no_tty=%31%20",
                "doorward+ext:///docker?command=/bin/x%0ay",
                "doorward+ext:///docker?command=%2dx",
                "doorward+ext://box/docker?command=/bin/x",
        };

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                _cleanup_error_ doorward_error error = {};
                Uri uri;

                if (uri_parse(hostile[i], &uri, &error) == 0)
                        fail_msg("taken: %s", hostile[i]);
                assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ssh),
                cmocka_unit_test(test_ext),
                cmocka_unit_test(test_origin),
                cmocka_unit_test(test_hostile),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        return cmocka_run_group_tests(tests, setup, teardown);
}
