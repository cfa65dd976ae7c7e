/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-bus.h>
#include <time.h>

#include "config.h"

#include "cli/manager.h"
#include "policy/strv.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"

#define OPENERS_UNIT "doorward-openers.target"

typedef struct Manager {
        sd_bus *bus;
        uint64_t deadline;
        const char *job;    /* that is waited for, */
        const char *sender; /* of whom, */
        char *result;       /* and how it went */
        char *problem;
} Manager;

static uint64_t monotonic_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t manager_left(const Manager *manager) {
        uint64_t now = monotonic_usec();

        return now < manager->deadline ? manager->deadline - now : 0;
}

static void manager_deinit(Manager *manager) {
        sd_bus_close_unref(manager->bus);
        free(manager->result);
        free(manager->problem);
}

static int on_removed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        const char *sender = sd_bus_message_get_sender(message), *job, *result;

        /* Anybody on the bus may send a signal to anybody. */
        if (!manager->job || manager->result || !sender || !manager->sender ||
            !streq(sender, manager->sender) ||
            sd_bus_message_read(message, "uoss", NULL, &job, NULL, &result) < 0 ||
            !streq(job, manager->job))
                return 0;

        return copy_string(result, &manager->result);
}

static int manager_open(Manager *manager, const char *address) {
        int r;

        r = sd_bus_new(&manager->bus);
        if (r >= 0)
                r = sd_bus_set_address(manager->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(manager->bus, true);
        if (r >= 0)
                r = sd_bus_start(manager->bus);
        /* Before there is a job, so that the end of none is missed. */
        if (r >= 0)
                r = sd_bus_match_signal_async(manager->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH,
                                              SYSTEMD_MANAGER, "JobRemoved", on_removed, NULL,
                                              manager);
        return r;
}

/* Takes one thing that came over the bus, or waits for it. */
static int manager_turn(Manager *manager) {
        uint64_t left;
        int r;

        r = sd_bus_process(manager->bus, NULL);
        if (r != 0)
                return r;

        left = manager_left(manager);
        if (left == 0)
                return -ETIMEDOUT;
        r = sd_bus_wait(manager->bus, left);
        return r == -EINTR ? 0 : r;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(message);
        return 1;
}

/* About a unit, if there is one. Not sd_bus_call(): that waits for a bus that accepts and says
 * nothing longer than it is told to wait for the answer. */
static int manager_call(Manager *manager, const char *method, const char *unit,
                        sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_message_new_method_call(manager->bus, &call, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, method);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0 && unit)
                r = sd_bus_message_append(call, "ss", unit, "replace");
        if (r >= 0)
                r = sd_bus_call_async(manager->bus, &slot, call, on_reply, &reply,
                                      manager_left(manager) ?: 1);
        while (r >= 0 && !reply)
                r = manager_turn(manager);
        if (r < 0)
                return r;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                (void)copy_string(sd_bus_message_get_error(reply)->message, &manager->problem);
                return -sd_bus_message_get_errno(reply);
        }

        *ret = TAKE_PTR(reply);
        return 0;
}

/* Has it queue a job, and waits for its end. */
static int manager_run(Manager *manager, const char *method, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *result = NULL;
        int r;

        r = manager_call(manager, method, unit, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &manager->job);
        if (r >= 0)
                manager->sender = sd_bus_message_get_sender(reply);
        while (r >= 0 && !manager->result)
                r = manager_turn(manager);
        manager->job = NULL;
        result = TAKE_PTR(manager->result);
        if (r < 0)
                return r;
        if (streq(result, "done"))
                return 0;

        manager->problem = strv_format("The job of %s ended as '%s'", unit, result);
        return -ENOEXEC;
}

static int manager_reload_broker(Manager *manager) {
        static const char method[] = "ReloadOrTryRestartUnit";
        int r;

        r = manager_run(manager, method, BROKER_UNIT);
        if (r != -ENOEXEC)
                return r;

        /* It may have ended in the middle of it, as one that is idle does. The second time there is
         * none, or it is another. */
        free(TAKE_PTR(manager->problem));
        return manager_run(manager, method, BROKER_UNIT);
}

int manager_take_up(const char *address, uint64_t patience_usec, char **ret_problem) {
        _cleanup_(manager_deinit) Manager manager = {.deadline = monotonic_usec() + patience_usec};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = manager_open(&manager, address);
        if (r >= 0)
                r = manager_call(&manager, "Reload", NULL, &reply);
        if (r >= 0)
                r = manager_reload_broker(&manager);
        /* What the broker's unit has begun on its own: whoever asks for the endpoint next is not to
         * be faster. */
        if (r >= 0)
                r = manager_run(&manager, "StartUnit", OPENERS_UNIT);

        *ret_problem = r < 0 ? TAKE_PTR(manager.problem) : NULL;
        return r < 0 ? r : 0;
}
