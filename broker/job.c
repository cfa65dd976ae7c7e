/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-bus.h>
#include <time.h>

#include "broker/job.h"

#define JOB_BUS "unix:path=/run/dbus/system_bus_socket"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT SYSTEMD_NAME ".Unit"
#define SYSTEMD_SERVICE SYSTEMD_NAME ".Service"
#define SYSTEMD_JOB SYSTEMD_NAME ".Job"

typedef struct JobBus {
        sd_bus *bus;
        uint64_t deadline;
} JobBus;

JobKind job_kind_from_type(const char *type) {
        /* systemd makes the one of the other when it queues it, where the unit runs. */
        if (streq(type, "restart") || streq(type, "try-restart"))
                return JOB_RESTART;
        if (streq(type, "start") || streq(type, "verify-active") || streq(type, "reload") ||
            streq(type, "reload-or-start") || streq(type, "nop"))
                return JOB_OTHER;
        return JOB_STOP;
}

bool job_is_restarted_by(const char *setting) {
        return streq(setting, "always") || streq(setting, "on-success");
}

static uint64_t monotonic_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* How long there is left, or 0. */
static uint64_t bus_left(const JobBus *bus) {
        uint64_t now = monotonic_usec();

        return now < bus->deadline ? bus->deadline - now : 0;
}

static int bus_open(const char *address, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(message);
        return 1;
}

/* Not sd_bus_call(): that waits for a bus that accepts and says nothing longer than it is told to
 * wait for the answer. */
static int bus_call(JobBus *bus, sd_bus_message *call, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        uint64_t left = bus_left(bus);
        int r;

        r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0 && left > 0)
                r = sd_bus_call_async(bus->bus, &slot, call, on_reply, &reply, left);
        if (r < 0)
                return r;

        while (!reply) {
                r = sd_bus_process(bus->bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;

                left = bus_left(bus);
                if (left == 0)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus->bus, left);
                if (r < 0 && r != -EINTR)
                        return r;
        }

        if (sd_bus_message_is_method_error(reply, NULL))
                return -sd_bus_message_get_errno(reply);

        *ret = TAKE_PTR(reply);
        return 0;
}

/* The object of the unit that has this process. */
static int bus_get_unit(JobBus *bus, sd_bus_message **ret, const char **ret_path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus->bus, &call, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, "GetUnitByPID");
        if (r >= 0)
                r = sd_bus_message_append(call, "u", (uint32_t)getpid());
        if (r >= 0)
                r = bus_call(bus, call, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", ret_path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(reply);
        return 0;
}

/* A property, opened for reading. What is read from it is the message's. */
static int bus_get_property(JobBus *bus, const char *path, const char *interface, const char *name,
                            const char *type, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus->bus, &call, SYSTEMD_NAME, path,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", interface, name);
        if (r >= 0)
                r = bus_call(bus, call, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'v', type);
        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;

        *ret = TAKE_PTR(reply);
        return 0;
}

static int bus_get_kind(JobBus *bus, const char *unit, JobKind *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *job = NULL, *type = NULL;
        const char *path, *text;
        uint32_t id;
        int r;

        r = bus_get_property(bus, unit, SYSTEMD_UNIT, "Job", "(uo)", &job);
        if (r >= 0)
                r = sd_bus_message_read(job, "(uo)", &id, &path);
        if (r < 0)
                return r;
        if (id == 0) {
                *ret = JOB_OTHER;
                return 0;
        }

        r = bus_get_property(bus, path, SYSTEMD_JOB, "JobType", "s", &type);
        if (r >= 0)
                r = sd_bus_message_read(type, "s", &text);
        if (r < 0)
                return r;

        *ret = job_kind_from_type(text);
        return 0;
}

static int bus_get_restart(JobBus *bus, const char *unit, bool *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *setting = NULL;
        const char *text;
        int r;

        r = bus_get_property(bus, unit, SYSTEMD_SERVICE, "Restart", "s", &setting);
        if (r >= 0)
                r = sd_bus_message_read(setting, "s", &text);
        if (r < 0)
                return r;

        *ret = job_is_restarted_by(text);
        return 0;
}

static int bus_get_stored(JobBus *bus, const char *unit, unsigned *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *stored = NULL;
        uint32_t n;
        int r;

        r = bus_get_property(bus, unit, SYSTEMD_SERVICE, "NFileDescriptorStore", "u", &stored);
        if (r >= 0)
                r = sd_bus_message_read(stored, "u", &n);
        if (r < 0)
                return r;

        *ret = n;
        return 0;
}

int job_ask(const char *address, uint64_t patience_usec, JobAnswer *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *unit = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *connection = NULL;
        JobBus bus = {.deadline = monotonic_usec() + patience_usec};
        JobAnswer answer = {};
        JobKind kind;
        const char *path;
        int r;

        r = bus_open(address, &connection);
        if (r < 0)
                return r;

        bus.bus = connection;
        r = bus_get_unit(&bus, &unit, &path);
        if (r >= 0)
                r = bus_get_kind(&bus, path, &kind);
        if (r >= 0)
                r = bus_get_stored(&bus, path, &answer.n_stored);
        if (r < 0)
                return r;

        answer.restart = kind == JOB_RESTART;
        if (kind == JOB_OTHER) {
                r = bus_get_restart(&bus, path, &answer.restart);
                if (r < 0)
                        return r;
        }

        *ret = answer;
        return 0;
}

bool job_is_restart(unsigned *ret_n_stored) {
        JobAnswer answer;

        if (job_ask(JOB_BUS, JOB_PATIENCE_USEC, &answer) < 0 || !answer.restart)
                return false;

        *ret_n_stored = answer.n_stored;
        return true;
}
