/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays polkit. Without dbus-daemon there is nothing to test it
 * on. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <systemd/sd-bus.h>

#include "pam/polkit.h"
#include "tests/support/bus.h"
#include "tests/support/fds.h"

#define COOKIE "2-4711-1"

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

static int be_polkit(sd_bus *bus, void *userdata) {
        int r;

        r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                     "org.freedesktop.PolicyKit1.Authority", vtable, NULL);
        return r < 0 ? r : sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0);
}

static void start_polkit(Bus *bus) {
        bus_play(bus, be_polkit, NULL, false);
}

#define PATIENCE_USEC 300000U

static int respond(const Bus *bus, uid_t agent, const char *cookie, uid_t identity) {
        return polkit_respond(bus->address, PATIENCE_USEC, agent, cookie, identity);
}

static void test_taken(void **state) {
        Bus *bus = *state;
        unsigned before;

        bus_start(bus);
        start_polkit(bus);
        before = fds_count();
        assert_int_equal(respond(bus, 1001, COOKIE, 0), 0);
        assert_int_equal(fds_count(), before);
}

static void test_not_taken(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        start_polkit(bus);
        assert_true(respond(bus, 1002, COOKIE, 0) < 0);
        assert_true(respond(bus, 1001, "2-4711-2", 0) < 0);
        assert_true(respond(bus, 1001, COOKIE, 1) < 0);
        assert_int_equal(respond(bus, 1001, COOKIE, 0), 0);
}

static void test_no_polkit(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        assert_true(respond(bus, 1001, COOKIE, 0) < 0);
}

static void test_no_bus(void **state) {
        Bus *bus = *state;

        assert_int_equal(respond(bus, 1001, COOKIE, 0), -ENOENT);
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A polkit that stands still is waited for, and not for long. */
static void test_silent_polkit(void **state) {
        Bus *bus = *state;
        uint64_t before;

        bus_start(bus);
        start_polkit(bus);
        assert_int_equal(kill(bus->player, SIGSTOP), 0);
        before = now_usec();
        assert_int_equal(respond(bus, 1001, COOKIE, 0), -ETIMEDOUT);
        assert_true(now_usec() - before >= PATIENCE_USEC);
        assert_true(now_usec() - before < 20 * PATIENCE_USEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_setup, bus_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_taken),  TEST(test_not_taken),     TEST(test_no_polkit),
                TEST(test_no_bus), TEST(test_silent_polkit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
