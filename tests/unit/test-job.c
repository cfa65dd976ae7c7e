/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays PID 1. Without dbus-daemon there is nothing to test it
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

#include "broker/job.h"
#include "common/socket.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

#define SECOND UINT64_C(1000000)
#define UNIT_PATH "/org/freedesktop/systemd1/unit/doorward_2eservice"
#define JOB_PATH "/org/freedesktop/systemd1/job/7"

/* What PID 1 says. */
typedef struct Saying {
        uint32_t job; /* 0: none */
        const char *type;
        const char *restart; /* NULL: what has the process is no service */
        uint32_t n_stored;
        bool mute;
} Saying;

typedef struct Fixture {
        Tree tree;
        char address[TREE_PATH_SIZE + 16];
        pid_t daemon, systemd;
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

        stop(&f->systemd);
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

_noreturn_ static void be_systemd(const Fixture *f, const Saying *saying, int out) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, f->address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            add(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", manager,
                saying) < 0 ||
            add(bus, UNIT_PATH, "org.freedesktop.systemd1.Unit", unit, saying) < 0 ||
            (saying->restart &&
             add(bus, UNIT_PATH, "org.freedesktop.systemd1.Service", service, saying) < 0) ||
            (saying->job && add(bus, JOB_PATH, "org.freedesktop.systemd1.Job", job, saying) < 0) ||
            sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0)
                _exit(EXIT_FAILURE);

        if (write(out, "x", 1) != 1)
                _exit(EXIT_FAILURE);
        while (saying->mute)
                (void)pause();
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
                        _exit(EXIT_FAILURE);
        }
}

static void start_systemd(Fixture *f, const Saying *saying) {
        int out[2];

        assert_int_equal(pipe(out), 0);
        f->systemd = fork();
        if (f->systemd == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                be_systemd(f, saying, out[1]);
        }
        close_fd(out[1]);
        assert_true(is_ready(out[0]));
}

static uint64_t now(void) {
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

static int ask(Fixture *f, Saying saying, JobAnswer *ret) {
        int n_fds, r;

        start_systemd(f, &saying);
        n_fds = fds_count();
        r = job_ask(f->address, 10 * SECOND, ret);
        assert_int_equal(fds_count(), n_fds);
        stop(&f->systemd);
        return r;
}

static bool restarts(Fixture *f, uint32_t id, const char *type, const char *restart) {
        JobAnswer answer;

        assert_int_equal(ask(f,
                             (Saying){.job = id, .type = type, .restart = restart, .n_stored = 5},
                             &answer),
                         0);
        assert_int_equal(answer.n_stored, 5);
        return answer.restart;
}

static void test_answers(void **state) {
        Fixture *f = *state;
        JobAnswer answer = {.n_stored = 99};

        start_bus(f);
        assert_true(restarts(f, 7, "restart", "no"));
        assert_false(restarts(f, 7, "stop", "always"));
        assert_true(restarts(f, 0, "", "always"));
        assert_false(restarts(f, 0, "", "on-failure"));
        assert_true(restarts(f, 7, "reload", "always"));
        assert_false(restarts(f, 7, "reload", "no"));

        /* In a session's scope, say. */
        assert_true(ask(f, (Saying){}, &answer) < 0);
        assert_int_equal(answer.n_stored, 99);
}

static void test_nobody_there(void **state) {
        Fixture *f = *state;
        JobAnswer answer;

        assert_int_equal(job_ask(f->address, SECOND, &answer), -ENOENT);
        start_bus(f);
        assert_true(job_ask(f->address, 10 * SECOND, &answer) < 0);
}

static void check_patience(const Fixture *f) {
        uint64_t start = now(), took;
        JobAnswer answer;

        assert_int_equal(job_ask(f->address, SECOND / 5, &answer), -ETIMEDOUT);
        took = now() - start;
        assert_in_range(took, SECOND / 5, 5 * SECOND);
}

/* It has so much time, whoever it is that says nothing: a bus, */
static void test_mute_bus(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n;

        n = socket_address(f->address + strlen("unix:path="), &address);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0 && n > 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        assert_int_equal(listen(fd, 5), 0);
        check_patience(f);
}

/* or PID 1. */
static void test_mute(void **state) {
        Fixture *f = *state;

        start_bus(f);
        start_systemd(f, &(Saying){.mute = true});
        check_patience(f);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_answers), TEST(test_nobody_there),      TEST(test_mute_bus),
                TEST(test_mute),    cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
