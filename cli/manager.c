/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "cli/manager.h"
#include "cli/system-bus.h"
#include "policy/strv.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"

#define OPENERS_UNIT "doorward-openers.target"

typedef struct Manager {
        SystemBus bus;
        const char *job;    /* that is waited for, */
        const char *sender; /* of whom, */
        char *result;       /* and how it went */
        char *problem;
} Manager;

static void manager_deinit(Manager *manager) {
        system_bus_deinit(&manager->bus);
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

static int manager_open(Manager *manager, const char *address, uint64_t patience_usec) {
        int r;

        r = system_bus_open(&manager->bus, address, patience_usec);
        /* Before there is a job, so that the end of none is missed. */
        if (r >= 0)
                r = sd_bus_match_signal_async(manager->bus.bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH,
                                              SYSTEMD_MANAGER, "JobRemoved", on_removed, NULL,
                                              manager);
        return r;
}

/* About a unit, if there is one. */
static int manager_call(Manager *manager, const char *method, const char *unit,
                        sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(manager->bus.bus, &call, SYSTEMD_NAME, SYSTEMD_PATH,
                                           SYSTEMD_MANAGER, method);
        if (r >= 0 && unit)
                r = sd_bus_message_append(call, "ss", unit, "replace");
        return r < 0 ? r : system_bus_call(&manager->bus, call, &manager->problem, ret);
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
                r = system_bus_turn(&manager->bus);
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
        _cleanup_(manager_deinit) Manager manager = {};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = manager_open(&manager, address, patience_usec);
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
