/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "cli/registration.h"
#include "cli/system-bus.h"
#include "policy/action.h"
#include "policy/polkit-link.h"

/* Between two questions. */
#define INTERVAL_USEC 100000

/* What polkit is to say of one action. */
typedef struct Wanted {
        char id[ACTION_TEXT_SIZE];
        const ActionDefaults *defaults; /* NULL: that there is none */
} Wanted;

typedef struct Registration {
        SystemBus bus;
        Wanted wanted[_ACCESS_MAX];
        char *problem;
} Registration;

static void registration_deinit(Registration *registration) {
        system_bus_deinit(&registration->bus);
        free(registration->problem);
}

static void registration_init(Registration *registration, const char *endpoint,
                              const Definition *definition) {
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++) {
                Wanted *wanted = &registration->wanted[access];

                (void)action_endpoint_id(endpoint, access, wanted->id);
                if (definition && definition->targets[access].provided)
                        wanted->defaults = action_defaults(definition, access);
        }
}

/* As polkit numbers them. */
static bool is_default(uint32_t number, const char *word) {
        static const char *const words[] = {
                "no", "auth_self", "auth_admin", "auth_self_keep", "auth_admin_keep", "yes",
        };

        return number < ELEMENTSOF(words) && streq(words[number], word);
}

static bool is_wanted(const Wanted *wanted, uint32_t any, uint32_t inactive, uint32_t active) {
        return wanted->defaults && is_default(any, wanted->defaults->any) &&
               is_default(inactive, wanted->defaults->inactive) &&
               is_default(active, wanted->defaults->active);
}

/* More than 0 if there was one. Of an action that is looked for, whether it is as it is to be. Not
 * by its message: polkit loses what stands before a character that XML has to escape. */
static int read_one(sd_bus_message *reply, const Wanted wanted[_ACCESS_MAX],
                    bool found[_ACCESS_MAX]) {
        uint32_t any, inactive, active;
        const char *id;
        int r;

        r = sd_bus_message_enter_container(reply, 'r', "ssssssuuua{ss}");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(reply, "ssssssuuu", &id, NULL, NULL, NULL, NULL, NULL, &any,
                                &inactive, &active);
        if (r >= 0)
                r = sd_bus_message_skip(reply, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;

        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                if (streq(id, wanted[access].id))
                        found[access] = is_wanted(&wanted[access], any, inactive, active);
        return 1;
}

/* Whether all is as it is to be: 1 or 0. */
static int registration_ask(Registration *registration) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        bool found[_ACCESS_MAX] = {};
        int r;

        /* What is to be there is not until it is found, and the other way round. */
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                found[access] = !registration->wanted[access].defaults;

        r = sd_bus_message_new_method_call(registration->bus.bus, &call, POLKIT_NAME, POLKIT_PATH,
                                           POLKIT_INTERFACE, "EnumerateActions");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "");
        if (r >= 0)
                r = system_bus_call(&registration->bus, call, &registration->problem, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssssuuua{ss})");
        while (r > 0)
                r = read_one(reply, registration->wanted, found);
        if (r < 0)
                return r;

        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                if (!found[access])
                        return 0;
        return 1;
}

/* By the errors of a bus of which nobody has the name. */
static bool is_not_running(int error) {
        return error == -EHOSTUNREACH || error == -ENXIO;
}

int registration_await(const char *address, uint64_t patience_usec, const char *endpoint,
                       const Definition *definition, char **ret_problem) {
        _cleanup_(registration_deinit) Registration registration = {};
        int r;

        registration_init(&registration, endpoint, definition);
        r = system_bus_open(&registration.bus, address, patience_usec);
        while (r == 0) {
                r = registration_ask(&registration);
                if (r == -ECONNRESET) {
                        free(TAKE_PTR(registration.problem));
                        r = 0;
                }
                if (r == 0)
                        system_bus_pause(&registration.bus, INTERVAL_USEC);
        }
        if (r > 0 || is_not_running(r))
                return 0;

        *ret_problem = r == -ETIMEDOUT ? NULL : TAKE_PTR(registration.problem);
        return r;
}
