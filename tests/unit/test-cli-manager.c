/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays systemd. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "cli/manager.h"
#include "tests/support/bus.h"
#include "tests/support/fds.h"

#define SECOND UINT64_C(1000000)
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define JOB "/org/freedesktop/systemd1/job/"
#define ALL "reload,ReloadOrTryRestartUnit doorward.service,StartUnit doorward-openers.target,"

/* What systemd does, and where it writes down what it was asked. */
typedef struct Systemd {
        bool refuses;
        unsigned n_failing; /* jobs, from the first on */
        bool forgets;       /* the end of each job */
        bool liar;          /* somebody else says that each job has ended, and it never does */
        char path[TREE_PATH_SIZE];
        sd_bus *other;
        unsigned n_jobs;
} Systemd;

static void note(const Systemd *systemd, const char *method, const char *unit) {
        FILE *f = fopen(systemd->path, "ae");

        if (f) {
                (void)fprintf(f, "%s%s%s,", method, *unit ? " " : "", unit);
                (void)fclose(f);
        }
}

static int on_daemon_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Systemd *systemd = userdata;

        note(systemd, "reload", "");
        if (systemd->refuses)
                return sd_bus_error_set(
                        error, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                        "Interactive authentication required.");
        return sd_bus_reply_method_return(message, NULL);
}

static int tell(sd_bus *bus, const char *to, unsigned job, const char *result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        char path[64];
        int r;

        (void)snprintf(path, sizeof(path), JOB "%u", job);
        r = sd_bus_message_new_signal(bus, &signal, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved");
        if (r >= 0)
                r = sd_bus_message_append(signal, "uoss", job, path, "a.unit", result);
        if (r >= 0 && to)
                r = sd_bus_message_set_destination(signal, to);
        if (r >= 0)
                r = sd_bus_send(bus, signal, NULL);
        return r < 0 ? r : sd_bus_flush(bus);
}

static int on_job(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Systemd *systemd = userdata;
        sd_bus *bus = sd_bus_message_get_bus(message);
        unsigned job = ++systemd->n_jobs;
        const char *unit, *mode;
        char path[64];
        int r;

        r = sd_bus_message_read(message, "ss", &unit, &mode);
        if (r < 0)
                return r;
        if (!streq(mode, "replace"))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "not so");
        note(systemd, sd_bus_message_get_member(message), unit);

        (void)snprintf(path, sizeof(path), JOB "%u", job);
        r = sd_bus_reply_method_return(message, "o", path);
        /* One of somebody else's. */
        if (r >= 0)
                r = tell(bus, NULL, 100 + job, "failed");
        if (r >= 0 && systemd->liar)
                r = tell(systemd->other, sd_bus_message_get_sender(message), job, "done");
        if (r >= 0 && !systemd->forgets && !systemd->liar)
                r = tell(bus, NULL, job, job <= systemd->n_failing ? "failed" : "done");
        return r < 0 ? r : 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Reload", NULL, NULL, on_daemon_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ReloadOrTryRestartUnit", "ss", "o", on_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "ss", "o", on_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
        SD_BUS_VTABLE_END,
};

static int be_systemd(sd_bus *bus, void *userdata) {
        Systemd *systemd = userdata;
        const char *address;
        int r;

        r = sd_bus_get_address(bus, &address);
        if (r >= 0)
                r = sd_bus_new(&systemd->other);
        if (r >= 0)
                r = sd_bus_set_address(systemd->other, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(systemd->other, true);
        if (r >= 0)
                r = sd_bus_start(systemd->other);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, MANAGER_PATH, MANAGER_INTERFACE, vtable,
                                             systemd);
        return r < 0 ? r : sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
}

static int take_up(const Bus *bus, uint64_t patience_usec, char **ret_problem) {
        int n_fds = fds_count(), r;

        *ret_problem = NULL;
        r = manager_take_up(bus->address, patience_usec, ret_problem);
        assert_int_equal(fds_count(), n_fds);
        return r;
}

static void check(Bus *bus, Systemd systemd, uint64_t patience_usec, int wanted, const char *asked,
                  const char *said) {
        _cleanup_free_ char *problem = NULL, *noted = NULL;

        tree_file(&bus->tree, "asked", "");
        (void)tree_path(&bus->tree, "asked", systemd.path);
        bus_play(bus, be_systemd, &systemd, false);
        assert_int_equal(take_up(bus, patience_usec, &problem), wanted);
        bus_end_play(bus);
        noted = tree_read(&bus->tree, "asked");
        assert_string_equal(noted, asked);
        assert_int_equal(problem != NULL, said != NULL);
        if (said)
                assert_non_null(strstr(problem, said));
}

static void test_taken_up(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        check(bus, (Systemd){}, 20 * SECOND, 0, ALL, NULL);
}

/* A broker that ends as it is to be reloaded is no failure; one that does not read is. */
static void test_broker(void **state) {
#define BROKER "ReloadOrTryRestartUnit doorward.service,"
        Bus *bus = *state;

        bus_start(bus);
        check(bus, (Systemd){.n_failing = 1}, 20 * SECOND, 0,
              "reload," BROKER BROKER "StartUnit doorward-openers.target,", NULL);
        check(bus, (Systemd){.n_failing = 2}, 20 * SECOND, -ENOEXEC, "reload," BROKER BROKER,
              "doorward.service ended as 'failed'");
}

static void test_not_allowed(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        check(bus, (Systemd){.refuses = true}, 20 * SECOND, -EACCES, "reload,",
              "Interactive authentication");
}

/* The end of a job is systemd's to tell, and nobody else's. */
static void test_end_of_job(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        check(bus, (Systemd){.forgets = true}, SECOND, -ETIMEDOUT, "reload," BROKER, NULL);
        check(bus, (Systemd){.liar = true}, SECOND, -ETIMEDOUT, "reload," BROKER, NULL);
}

static void test_nobody_there(void **state) {
        _cleanup_free_ char *problem = NULL;
        Bus *bus = *state;

        assert_int_equal(take_up(bus, SECOND, &problem), -ENOENT);
        assert_null(problem);
        bus_start(bus);
        assert_true(take_up(bus, 20 * SECOND, &problem) < 0);
        assert_non_null(problem);
}

static uint64_t now(void) {
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

static void check_patience(const Bus *bus) {
        _cleanup_free_ char *problem = NULL;
        uint64_t start = now(), took;

        assert_int_equal(take_up(bus, SECOND / 5, &problem), -ETIMEDOUT);
        took = now() - start;
        assert_in_range(took, SECOND / 5, 5 * SECOND);
}

/* Whoever it is that says nothing. */
static void test_mute_bus(void **state) {
        _cleanup_close_ int fd = -EBADF;

        fd = bus_start_mute(*state);
        check_patience(*state);
}

static void test_mute(void **state) {
        Systemd systemd = {};

        bus_start(*state);
        bus_play(*state, be_systemd, &systemd, true);
        check_patience(*state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_setup, bus_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_taken_up),   TEST(test_broker),       TEST(test_not_allowed),
                TEST(test_end_of_job), TEST(test_nobody_there), TEST(test_mute_bus),
                TEST(test_mute),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
