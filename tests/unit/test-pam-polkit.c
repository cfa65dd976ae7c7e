/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays polkit. Without dbus-daemon there is nothing to test it
 * on. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include <systemd/sd-bus.h>

#include "pam/polkit.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

#define COOKIE "2-4711-1"

typedef struct Fixture {
        Tree tree;
        char address[TREE_PATH_SIZE + 16];
        pid_t daemon, polkit;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        char path[TREE_PATH_SIZE];

        if (!f)
                return -1;
        tree_init(&f->tree);
        (void)snprintf(f->address, sizeof(f->address), "unix:path=%s",
                       tree_path(&f->tree, "bus", path));
        *state = f;
        return 0;
}

static void stop(pid_t *pid) {
        if (*pid > 0) {
                (void)kill(*pid, SIGKILL);
                (void)waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        stop(&f->polkit);
        stop(&f->daemon);
        tree_deinit(&f->tree);
        free(f);
        return 0;
}

/* Waits for a child that says it is ready; false if it ended instead. */
static bool is_ready(int fd) {
        char buf[512];
        bool ready = read(fd, buf, sizeof(buf)) > 0;

        close_fd(fd);
        return ready;
}

static void start_bus(Fixture *f) {
        char option[sizeof(f->address) + 16];
        int out[2];

        (void)snprintf(option, sizeof(option), "--address=%s", f->address);
        assert_int_equal(pipe(out), 0);
        f->daemon = fork();
        if (f->daemon == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)dup2(out[1], STDOUT_FILENO);
                (void)execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nopidfile",
                             "--print-address=1", option, (char *)NULL);
                _exit(127);
        }
        close_fd(out[1]);
        if (!is_ready(out[0]))
                skip();
}

/* Takes what the tests send, and nothing else. */
static int answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *cookie = NULL, *kind = NULL, *key = NULL;
        uint32_t agent = 0, uid = 0;

        if (sd_bus_message_read(message, "us(sa{sv})", &agent, &cookie, &kind, 1, &key, "u", &uid) <
            0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "not these");
        if (agent != 1001 || !streq(cookie, COOKIE) || !streq(kind, "unix-user") ||
            !streq(key, "uid") || uid != 0)
                return sd_bus_error_set(error, "org.freedesktop.PolicyKit1.Error.Failed", "no");
        return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("AuthenticationAgentResponse2", "us(sa{sv})", NULL, answer,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

_noreturn_ static void be_polkit(const Fixture *f, int out) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, f->address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                     "org.freedesktop.PolicyKit1.Authority", vtable, NULL) < 0 ||
            sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0) < 0)
                _exit(EXIT_FAILURE);

        (void)!write(out, "r", 1);
        for (;;)
                if (sd_bus_process(bus, NULL) == 0)
                        (void)sd_bus_wait(bus, UINT64_MAX);
}

static void start_polkit(Fixture *f) {
        int out[2];

        assert_int_equal(pipe(out), 0);
        f->polkit = fork();
        if (f->polkit == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                be_polkit(f, out[1]);
        }
        close_fd(out[1]);
        assert_true(is_ready(out[0]));
}

#define PATIENCE_USEC 300000U

static int respond(const Fixture *f, uid_t agent, const char *cookie, uid_t identity) {
        return polkit_respond(f->address, PATIENCE_USEC, agent, cookie, identity);
}

static void test_taken(void **state) {
        Fixture *f = *state;
        unsigned before;

        start_bus(f);
        start_polkit(f);
        before = fds_count();
        assert_int_equal(respond(f, 1001, COOKIE, 0), 0);
        assert_int_equal(fds_count(), before);
}

static void test_not_taken(void **state) {
        Fixture *f = *state;

        start_bus(f);
        start_polkit(f);
        assert_true(respond(f, 1002, COOKIE, 0) < 0);
        assert_true(respond(f, 1001, "2-4711-2", 0) < 0);
        assert_true(respond(f, 1001, COOKIE, 1) < 0);
        assert_int_equal(respond(f, 1001, COOKIE, 0), 0);
}

static void test_no_polkit(void **state) {
        Fixture *f = *state;

        start_bus(f);
        assert_true(respond(f, 1001, COOKIE, 0) < 0);
}

static void test_no_bus(void **state) {
        Fixture *f = *state;

        assert_int_equal(respond(f, 1001, COOKIE, 0), -ENOENT);
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A polkit that stands still is waited for, and not for long. */
static void test_silent_polkit(void **state) {
        Fixture *f = *state;
        uint64_t before;

        start_bus(f);
        start_polkit(f);
        assert_int_equal(kill(f->polkit, SIGSTOP), 0);
        before = now_usec();
        assert_int_equal(respond(f, 1001, COOKIE, 0), -ETIMEDOUT);
        assert_true(now_usec() - before >= PATIENCE_USEC);
        assert_true(now_usec() - before < 20 * PATIENCE_USEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_taken),  TEST(test_not_taken),     TEST(test_no_polkit),
                TEST(test_no_bus), TEST(test_silent_polkit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
