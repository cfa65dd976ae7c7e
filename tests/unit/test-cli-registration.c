/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus of its own, on which a child plays polkit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/registration.h"
#include "policy/polkit-link.h"
#include "tests/support/bus.h"
#include "tests/support/fds.h"

#define SECOND UINT64_C(1000000)
#define FULL "org.doorward.endpoint.service.full"
#define READ_ONLY "org.doorward.endpoint.service.read-only"

/* polkit's numbers. */
enum {
        NO = 0,
        SELF = 1,
        ADMIN = 2,
        YES = 5,
};

typedef struct Action {
        const char *id; /* NULL: none */
        uint32_t any, inactive, active;
} Action;

/* What it says, at first and from which question on otherwise. */
typedef struct Polkit {
        Action before[2], after[2];
        unsigned turn, n_asked;
        bool refuses;
} Polkit;

static const Action full = {FULL, ADMIN, ADMIN, ADMIN};
static const Action read_only = {READ_ONLY, ADMIN, ADMIN, SELF};

static int append(sd_bus_message *reply, const Action *action) {
        return sd_bus_message_append(reply, "(ssssssuuua{ss})", action->id, "", "", "", "", "",
                                     action->any, action->inactive, action->active, 1,
                                     "org.freedesktop.policykit.owner", "unix-user:somebody");
}

static int on_enumerate(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        static const Action other = {"org.freedesktop.policykit.exec", NO, NO, YES};
        Polkit *polkit = userdata;
        const Action *actions = ++polkit->n_asked < polkit->turn ? polkit->before : polkit->after;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (polkit->refuses)
                return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, "Out of order.");
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssssuuua{ss})");
        if (r >= 0)
                r = append(reply, &other);
        for (size_t i = 0; i < ELEMENTSOF(polkit->before) && r >= 0; i++)
                if (actions[i].id)
                        r = append(reply, &actions[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("EnumerateActions", "s", "a(ssssssuuua{ss})", on_enumerate,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int be_polkit(sd_bus *bus, void *userdata) {
        int r = sd_bus_add_object_vtable(bus, NULL, POLKIT_PATH, POLKIT_INTERFACE, vtable,
                                         userdata);

        return r < 0 ? r : sd_bus_request_name(bus, POLKIT_NAME, 0);
}

static int await(const Bus *bus, uint64_t patience_usec, const Definition *definition,
                 char **ret_problem) {
        int n_fds = fds_count(), r;

        *ret_problem = NULL;
        r = registration_await(bus->address, patience_usec, "service", definition, ret_problem);
        assert_int_equal(fds_count(), n_fds);
        return r;
}

static Definition *definition_new(const char *text) {
        Definition *definition = NULL;

        assert_int_equal(definition_parse("service", "/x/service.conf", text, &definition), 0);
        assert_null(definition->problem);
        return definition;
}

#define TEXT_FULL "[Full]\nConnectStream=/x\n"
#define TEXT_BOTH TEXT_FULL "[ReadOnly]\nConnectStream=/y\n"

/* Whether it waits, with this definition, for as long as polkit says before, and no longer. */
static void check(Bus *bus, const char *text, Polkit polkit) {
        _cleanup_(definition_freep) Definition *definition = text ? definition_new(text) : NULL;
        _cleanup_free_ char *problem = NULL;

        polkit.turn = UINT32_MAX;
        bus_play(bus, be_polkit, &polkit, false);
        assert_int_equal(await(bus, SECOND / 2, definition, &problem), -ETIMEDOUT);
        assert_null(problem);
        bus_end_play(bus);

        polkit.turn = 3;
        bus_play(bus, be_polkit, &polkit, false);
        assert_int_equal(await(bus, 20 * SECOND, definition, &problem), 0);
        assert_null(problem);
        bus_end_play(bus);
}

static void test_waits(void **state) {
        static const Action was = {READ_ONLY, ADMIN, ADMIN, YES};
        Bus *bus = *state;

        bus_start(bus);
        /* That is new, */
        check(bus, TEXT_FULL, (Polkit){.after = {full}});
        /* of which there is another now, */
        check(bus, TEXT_BOTH, (Polkit){.before = {full}, .after = {full, read_only}});
        /* or no more, */
        check(bus, TEXT_FULL, (Polkit){.before = {read_only, full}, .after = {full}});
        /* or otherwise than it was, */
        check(bus, TEXT_BOTH, (Polkit){.before = {full, was}, .after = {full, read_only}});
        /* or gone. */
        check(bus, NULL, (Polkit){.before = {full}});
}

/* Whoever does not run will read what is there. */
static void test_not_running(void **state) {
        _cleanup_(definition_freep) Definition *definition = definition_new(TEXT_FULL);
        _cleanup_free_ char *problem = NULL;

        bus_start(*state);
        assert_int_equal(await(*state, 20 * SECOND, definition, &problem), 0);
}

static void test_refused(void **state) {
        _cleanup_(definition_freep) Definition *definition = definition_new(TEXT_FULL);
        _cleanup_free_ char *problem = NULL;
        Polkit polkit = {.refuses = true};

        bus_start(*state);
        bus_play(*state, be_polkit, &polkit, false);
        assert_true(await(*state, 20 * SECOND, definition, &problem) < 0);
        assert_string_equal(problem, "Out of order.");
}

/* polkit stands still, or the bus does, or there is none. */
static void test_mute(void **state) {
        _cleanup_(definition_freep) Definition *definition = definition_new(TEXT_FULL);
        _cleanup_free_ char *problem = NULL;
        Polkit polkit = {};

        bus_start(*state);
        bus_play(*state, be_polkit, &polkit, true);
        assert_int_equal(await(*state, SECOND / 5, definition, &problem), -ETIMEDOUT);
        assert_null(problem);
}

static void test_mute_bus(void **state) {
        _cleanup_(definition_freep) Definition *definition = definition_new(TEXT_FULL);
        _cleanup_free_ char *problem = NULL;
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(await(*state, SECOND, definition, &problem), -ENOENT);
        fd = bus_start_mute(*state);
        assert_int_equal(await(*state, SECOND / 5, definition, &problem), -ETIMEDOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_setup, bus_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_waits), TEST(test_not_running), TEST(test_refused),
                TEST(test_mute),  TEST(test_mute_bus),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
