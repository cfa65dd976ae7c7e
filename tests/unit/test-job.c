/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays PID 1. Without dbus-daemon there is nothing to test it
 * on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <systemd/sd-bus.h>

#include "broker/job.h"
#include "tests/support/bus.h"
#include "tests/support/fds.h"

#define SECOND UINT64_C(1000000)
#define UNIT_PATH "/org/freedesktop/systemd1/unit/doorward_2eservice"
#define JOB_PATH "/org/freedesktop/systemd1/job/7"

/* What PID 1 says. */
typedef struct Saying {
        uint32_t job; /* 0: none */
        const char *type;
        const char *restart; /* NULL: what has the process is no service */
        uint32_t n_stored;
} Saying;

static int get_unit(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        uint32_t pid = 0;

        /* Only the test asks, and about itself. */
        if (sd_bus_message_read(message, "u", &pid) < 0 || (pid_t)pid != getppid())
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "not this one");
        return sd_bus_reply_method_return(message, "o", UNIT_PATH);
}

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *name,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Saying *saying = userdata;

        if (streq(name, "Job"))
                return sd_bus_message_append(reply, "(uo)", saying->job,
                                             saying->job ? JOB_PATH : "/");
        if (streq(name, "JobType"))
                return sd_bus_message_append(reply, "s", saying->type);
        if (streq(name, "Restart"))
                return sd_bus_message_append(reply, "s", saying->restart);
        return sd_bus_message_append(reply, "u", saying->n_stored);
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetUnitByPID", "u", "o", get_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable unit[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Job", "(uo)", get_property, 0, 0),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable service[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Restart", "s", get_property, 0, 0),
        SD_BUS_PROPERTY("NFileDescriptorStore", "u", get_property, 0, 0),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable job[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("JobType", "s", get_property, 0, 0),
        SD_BUS_VTABLE_END,
};

static int add(sd_bus *bus, const char *path, const char *interface, const sd_bus_vtable *vtable,
               const Saying *saying) {
        return sd_bus_add_object_vtable(bus, NULL, path, interface, vtable, (void *)saying);
}

static int be_systemd(sd_bus *bus, void *userdata) {
        const Saying *saying = userdata;
        int r;

        r = add(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", manager,
                saying);
        if (r >= 0)
                r = add(bus, UNIT_PATH, "org.freedesktop.systemd1.Unit", unit, saying);
        if (r >= 0 && saying->restart)
                r = add(bus, UNIT_PATH, "org.freedesktop.systemd1.Service", service, saying);
        if (r >= 0 && saying->job)
                r = add(bus, JOB_PATH, "org.freedesktop.systemd1.Job", job, saying);
        return r < 0 ? r : sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
}

static uint64_t now(void) {
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

static int ask(Bus *bus, Saying saying, JobAnswer *ret) {
        int n_fds, r;

        bus_play(bus, be_systemd, &saying, false);
        n_fds = fds_count();
        r = job_ask(bus->address, 10 * SECOND, ret);
        assert_int_equal(fds_count(), n_fds);
        bus_end_play(bus);
        return r;
}

static bool restarts(Bus *bus, uint32_t id, const char *type, const char *restart) {
        JobAnswer answer;

        assert_int_equal(ask(bus,
                             (Saying){.job = id, .type = type, .restart = restart, .n_stored = 5},
                             &answer),
                         0);
        assert_int_equal(answer.n_stored, 5);
        return answer.restart;
}

static void test_answers(void **state) {
        Bus *bus = *state;
        JobAnswer answer = {.n_stored = 99};

        bus_start(bus);
        assert_true(restarts(bus, 7, "restart", "no"));
        assert_false(restarts(bus, 7, "stop", "always"));
        assert_true(restarts(bus, 0, "", "always"));
        assert_false(restarts(bus, 0, "", "on-failure"));
        assert_true(restarts(bus, 7, "reload", "always"));
        assert_false(restarts(bus, 7, "reload", "no"));

        /* In a session's scope, say. */
        assert_true(ask(bus, (Saying){}, &answer) < 0);
        assert_int_equal(answer.n_stored, 99);
}

static void test_nobody_there(void **state) {
        Bus *bus = *state;
        JobAnswer answer;

        assert_int_equal(job_ask(bus->address, SECOND, &answer), -ENOENT);
        bus_start(bus);
        assert_true(job_ask(bus->address, 10 * SECOND, &answer) < 0);
}

static void check_patience(const Bus *bus) {
        uint64_t start = now(), took;
        JobAnswer answer;

        assert_int_equal(job_ask(bus->address, SECOND / 5, &answer), -ETIMEDOUT);
        took = now() - start;
        assert_in_range(took, SECOND / 5, 5 * SECOND);
}

/* It has so much time, whoever it is that says nothing: a bus, */
static void test_mute_bus(void **state) {
        Bus *bus = *state;
        _cleanup_close_ int fd = -EBADF;

        fd = bus_start_mute(bus);
        check_patience(bus);
}

/* or PID 1. */
static void test_mute(void **state) {
        Bus *bus = *state;

        bus_start(bus);
        bus_play(bus, be_systemd, &(Saying){}, true);
        check_patience(bus);
}

static void test_words(void **state) {
        static const char *const others[] = {"start", "verify-active", "reload", "reload-or-start",
                                             "nop"};

        assert_int_equal(job_kind_from_type("restart"), JOB_RESTART);
        assert_int_equal(job_kind_from_type("try-restart"), JOB_RESTART);
        assert_int_equal(job_kind_from_type("stop"), JOB_STOP);
        assert_int_equal(job_kind_from_type("something-new"), JOB_STOP);
        assert_int_equal(job_kind_from_type(""), JOB_STOP);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(job_kind_from_type(others[i]), JOB_OTHER);

        assert_true(job_is_restarted_by("always"));
        assert_true(job_is_restarted_by("on-success"));
        assert_false(job_is_restarted_by("on-failure"));
        assert_false(job_is_restarted_by("no"));
        assert_false(job_is_restarted_by(""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_setup, bus_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_answers), TEST(test_nobody_there),      TEST(test_mute_bus),
                TEST(test_mute),    cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
