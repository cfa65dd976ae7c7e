/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The authority against a bus of its own, on which the test plays polkit, by GDBus as the real one
 * does. Without dbus-daemon there is nothing to test it on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <time.h>

#include "policy/authority-polkit.h"
#include "tests/support/bus.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"

#define LONG_USEC (20 * UINT64_C(1000000))

#define OWN "org.doorward.endpoint.docker.full"
#define GENERIC "org.doorward.full"

/* What the test answers, and how. */
typedef struct Polkit {
        GDBusConnection *bus;
        const char *actions[4];
        bool load_fails, load_waits, check_waits;
        bool always_changes; /* says so during each reading */
        const char *version; /* what it says that it is; "1" */
        guint32 features;    /* and can */
        const char *detail;  /* of its answers, or NULL */
        GVariant *asked;     /* the last question, */
        bool has_fd;         /* whether a descriptor came with it, */
        char asker[16];      /* and who asked it */
        gint deaf;           /* nothing that comes is answered, nor even looked at */
        GDBusMethodInvocation *waiting[8];
        unsigned n_waiting, n_loads, n_checks, n_cancelled;
} Polkit;

typedef struct Fixture {
        Bus bus;
        sd_event *event;
        Authority *authority;
        Polkit polkit;
} Fixture;

typedef struct Asked {
        Fixture *fixture;
        unsigned answers;
        AuthorityAnswer last;
        AuthorityCheck *check;
        bool again; /* asks once more from inside the answer */
} Asked;

typedef struct Loaded {
        Fixture *fixture;
        unsigned calls, tries;
        int error;
} Loaded;

static uint64_t now_ms(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The authority's turn, then the test's own. */
static void turn(Fixture *f) {
        (void)sd_event_run(f->event, 2000);
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

static void turn_for(Fixture *f, unsigned ms) {
        uint64_t end = now_ms() + ms;

        while (now_ms() < end)
                turn(f);
}

/* Turns the loop until a count is reached, and not for long. */
static bool turn_until(Fixture *f, const unsigned *count, unsigned n) {
        uint64_t end = now_ms() + 3000;

        while (*count < n && now_ms() < end)
                turn(f);
        return *count >= n;
}

/* polkit. */

static void polkit_say_changed(Polkit *p) {
        (void)g_dbus_connection_emit_signal(p->bus, NULL, POLKIT_PATH, POLKIT_INTERFACE, "Changed",
                                            NULL, NULL);
        (void)g_dbus_connection_flush_sync(p->bus, NULL, NULL);
}

static void polkit_answer_actions(Polkit *p, GDBusMethodInvocation *call) {
        GVariantBuilder actions;

        if (p->load_fails) {
                g_dbus_method_invocation_return_dbus_error(call, "org.example.Failed", "no");
                return;
        }

        g_variant_builder_init(&actions, G_VARIANT_TYPE("a(ssssssuuua{ss})"));
        for (size_t i = 0; i < ELEMENTSOF(p->actions) && p->actions[i]; i++) {
                GVariantBuilder annotations;

                g_variant_builder_init(&annotations, G_VARIANT_TYPE("a{ss}"));
                g_variant_builder_add(&annotations, "{ss}", "org.freedesktop.policykit.owner",
                                      "unix-user:doorward");
                g_variant_builder_add(&actions, "(ssssssuuua{ss})", p->actions[i], "", "", "", "",
                                      "", 0, 0, 0, &annotations);
        }
        g_dbus_method_invocation_return_value(call, g_variant_new("(a(ssssssuuua{ss}))", &actions));
}

static void polkit_answer_check(const Polkit *p, GDBusMethodInvocation *call) {
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
        if (p->detail)
                g_variant_builder_add(&details, "{ss}", p->detail, "");
        g_dbus_method_invocation_return_value(
                call, g_variant_new("((bba{ss}))", p->detail == NULL, FALSE, &details));
}

static void polkit_answer_waiting(Polkit *p) {
        for (unsigned i = 0; i < p->n_waiting; i++)
                if (streq(g_dbus_method_invocation_get_method_name(p->waiting[i]),
                          "EnumerateActions"))
                        polkit_answer_actions(p, p->waiting[i]);
                else
                        polkit_answer_check(p, p->waiting[i]);
        p->n_waiting = 0;
}

static void on_call(GDBusConnection *bus, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *parameters,
                    GDBusMethodInvocation *call, gpointer userdata) {
        Polkit *p = userdata;
        bool waits;

        if (streq(method, "CancelCheckAuthorization")) {
                p->n_cancelled++;
                g_dbus_method_invocation_return_value(call, NULL);
                return;
        }

        if (streq(method, "EnumerateActions")) {
                waits = p->load_waits;
                p->n_loads++;
                if (p->always_changes)
                        polkit_say_changed(p);
        } else {
                GUnixFDList *fds =
                        g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(call));

                waits = p->check_waits;
                p->n_checks++;
                g_clear_pointer(&p->asked, g_variant_unref);
                p->asked = g_variant_ref(parameters);
                p->has_fd = fds && g_unix_fd_list_get_length(fds) == 1;
                (void)snprintf(p->asker, sizeof(p->asker), "%s", sender);
        }

        assert_true(p->n_waiting < ELEMENTSOF(p->waiting));
        p->waiting[p->n_waiting++] = call;
        if (!waits)
                polkit_answer_waiting(p);
}

static GVariant *on_get(GDBusConnection *bus, const char *sender, const char *path,
                        const char *interface, const char *property, GError **error,
                        gpointer userdata) {
        const Polkit *p = userdata;

        return streq(property, "BackendFeatures") ? g_variant_new_uint32(p->features)
                                                  : g_variant_new_string(p->version ?: "1");
}

/* Runs in GDBus's thread. */
static GDBusMessage *on_message(GDBusConnection *bus, GDBusMessage *message, gboolean incoming,
                                gpointer userdata) {
        Polkit *p = userdata;

        if (incoming && g_atomic_int_get(&p->deaf) &&
            g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
                g_clear_object(&message);
        return message;
}

static const char interface_xml[] =
        "<node><interface name='" POLKIT_INTERFACE "'>"
        "<method name='EnumerateActions'><arg type='s' direction='in'/>"
        "<arg type='a(ssssssuuua{ss})' direction='out'/></method>"
        "<method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
        "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='(bba{ss})' direction='out'/></method>"
        "<method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>"
        "<signal name='Changed'/>"
        "<property name='BackendName' type='s' access='read'/>"
        "<property name='BackendVersion' type='s' access='read'/>"
        "<property name='BackendFeatures' type='u' access='read'/>"
        "</interface></node>";

static void polkit_start(Polkit *p) {
        static const GDBusInterfaceVTable vtable = {.method_call = on_call, .get_property = on_get};
        GDBusNodeInfo *info = g_dbus_node_info_new_for_xml(interface_xml, NULL);
        GVariant *reply;

        assert_non_null(info);
        p->bus = g_dbus_connection_new_for_address_sync(
                getenv("DBUS_SYSTEM_BUS_ADDRESS"),
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, NULL);
        assert_non_null(p->bus);
        (void)g_dbus_connection_add_filter(p->bus, on_message, p, NULL);
        assert_true(g_dbus_connection_register_object(p->bus, POLKIT_PATH, info->interfaces[0],
                                                      &vtable, p, NULL, NULL) > 0);
        reply = g_dbus_connection_call_sync(p->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "RequestName",
                                            g_variant_new("(su)", POLKIT_NAME, 0), NULL,
                                            G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
        assert_non_null(reply);
        g_variant_unref(reply);
        g_dbus_node_info_unref(info);
}

static void polkit_stop(Polkit *p) {
        for (unsigned i = 0; i < p->n_waiting; i++)
                g_object_unref(p->waiting[i]);
        p->n_waiting = 0;
        if (p->bus)
                (void)g_dbus_connection_close_sync(p->bus, NULL, NULL);
        g_clear_object(&p->bus);
        g_clear_pointer(&p->asked, g_variant_unref);
}

/* Around each test. */

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        bus_init(&f->bus);
        if (sd_event_new(&f->event) < 0 ||
            authority_polkit_new(f->event, "doorward", &f->authority) < 0)
                return -1;

        f->polkit.actions[0] = GENERIC;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        authority_free(f->authority);
        polkit_stop(&f->polkit);
        bus_end(&f->bus);
        turn_for(f, 50);
        sd_event_unref(f->event);
        bus_deinit(&f->bus);
        free(f);
        return 0;
}

static void start(Fixture *f) {
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", f->bus.address, 1), 0);
        bus_start(&f->bus);
        polkit_start(&f->polkit);
}

static void ask(Fixture *f, Asked *asked);

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Asked *asked = userdata;

        asked->answers++;
        asked->last = *answer;
        asked->last.text = NULL;
        asked->check = NULL;
        if (asked->again) {
                asked->again = false;
                ask(asked->fixture, asked);
        }
}

static void ask(Fixture *f, Asked *asked) {
        AuthorityQuestion question = {
                .uid = 1000,
                .peer_uid = 1000,
                .pid = getpid(),
                .pidfd = -EBADF,
                .start_time = 1,
                .action = GENERIC,
                .details = {{"endpoint", "docker"}},
        };

        asked->fixture = f;
        assert_int_equal(authority_ask(f->authority, &question, on_answer, asked, &asked->check),
                         0);
}

static void on_loaded(int error, void *userdata) {
        Loaded *loaded = userdata;

        loaded->calls++;
        loaded->error = error;
}

static int load(Fixture *f) {
        Loaded loaded = {.fixture = f};

        assert_int_equal(authority_load_actions(f->authority, LONG_USEC, on_loaded, &loaded), 0);
        if (!turn_until(f, &loaded.calls, 1)) {
                authority_forget(f->authority, &loaded);
                return -ETIMEDOUT;
        }
        return loaded.error;
}

/* Tests. */

static void test_asks_and_loads(void **state) {
        AuthorityAction action;
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        assert_int_equal(authority_find_action(f->authority, GENERIC, &action), -EAGAIN);
        assert_int_equal(load(f), 0);
        assert_int_equal(authority_find_action(f->authority, GENERIC, &action), 0);
        assert_true(action.registered && action.owned);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), 0);
        assert_false(action.registered);

        ask(f, &asked);
        assert_true(turn_until(f, &asked.answers, 1));
        assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
        assert_int_equal(asked.last.decision, DECISION_AUTHORIZED);
}

static void test_a_cancelled_check_is_not_answered(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        f->polkit.check_waits = true;
        ask(f, &asked);
        assert_true(turn_until(f, &f->polkit.n_checks, 1));
        authority_cancel(f->authority, asked.check);
        assert_true(turn_until(f, &f->polkit.n_cancelled, 1));
        polkit_answer_waiting(&f->polkit);
        turn_for(f, 50);
        assert_int_equal(asked.answers, 0);

        /* One that is cancelled before there is a link is not even asked. */
        ask(f, &asked);
        authority_cancel(f->authority, asked.check);
        turn_for(f, 50);
        assert_int_equal(asked.answers, 0);
}

/* An action is there that was not, and the reading of it failed: the generic one must not be taken
 * in its place. */
static void test_a_failed_reading_leaves_nothing_known(void **state) {
        AuthorityAction action;
        Fixture *f = *state;

        start(f);
        assert_int_equal(load(f), 0);
        f->polkit.actions[1] = OWN;
        f->polkit.load_fails = true;
        polkit_say_changed(&f->polkit);
        turn_for(f, 50);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), -EAGAIN);
        assert_int_equal(load(f), -EHOSTUNREACH);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), -EAGAIN);
        assert_int_equal(load(f), -EHOSTUNREACH);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), -EAGAIN);

        f->polkit.load_fails = false;
        assert_int_equal(load(f), 0);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), 0);
        assert_true(action.registered);
}

/* While the bus is away polkit cannot say that anything changed. */
static void test_without_a_bus_nothing_is_known(void **state) {
        AuthorityAction action;
        Fixture *f = *state;

        start(f);
        assert_int_equal(load(f), 0);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), 0);
        polkit_stop(&f->polkit);
        bus_end(&f->bus);
        turn_for(f, 100);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), -EAGAIN);
        assert_int_equal(load(f), -EHOSTUNREACH);

        f->polkit.actions[1] = OWN;
        start(f);
        assert_int_equal(load(f), 0);
        assert_int_equal(authority_find_action(f->authority, OWN, &action), 0);
        assert_true(action.registered);
}

/* As who asks does it: what is not known is read, and then looked for again. */
static void on_loaded_look(int error, void *userdata) {
        Loaded *loaded = userdata;
        AuthorityAction action;
        int r;

        assert_int_equal(error, 0);
        loaded->tries++;
        r = authority_find_action(loaded->fixture->authority, OWN, &action);
        if (r == -EAGAIN)
                r = authority_load_actions(loaded->fixture->authority, LONG_USEC, on_loaded_look,
                                           loaded);
        else
                loaded->calls++;
        assert_int_equal(r, 0);
}

/* Any user can have polkit say all the time that something changed. Who asks must not wait for the
 * end of that. */
static void test_endless_changes_hold_up_nobody(void **state) {
        Fixture *f = *state;
        Loaded loaded = {.fixture = f};

        start(f);
        f->polkit.always_changes = true;
        assert_int_equal(load(f), 0);
        assert_int_equal(authority_load_actions(f->authority, LONG_USEC, on_loaded_look, &loaded),
                         0);
        if (!turn_until(f, &loaded.calls, 1)) {
                authority_forget(f->authority, &loaded);
                fail_msg("not known after %u readings", loaded.tries);
        }

        /* For those who ask later it is old. */
        turn_for(f, 50);
        assert_int_equal(authority_find_action(f->authority, OWN, &(AuthorityAction){}), -EAGAIN);
}

/* Waits once more from inside, as who finds that something has changed again does. */
static void on_loaded_again(int error, void *userdata) {
        Loaded *loaded = userdata;

        assert_int_equal(error, 0);
        loaded->calls++;
        if (loaded->tries++ == 0)
                assert_int_equal(authority_load_actions(loaded->fixture->authority, LONG_USEC,
                                                        on_loaded_again, loaded),
                                 0);
}

/* What was read may be older than the second question: an action that is there by now would be
 * taken for one that is not, and the generic one asked in its place. */
static void test_who_waits_again_gets_the_next_reading(void **state) {
        AuthorityAction action;
        Fixture *f = *state;
        Loaded loaded = {.fixture = f};

        start(f);
        f->polkit.load_waits = true;
        assert_int_equal(authority_load_actions(f->authority, LONG_USEC, on_loaded_again, &loaded),
                         0);
        assert_true(turn_until(f, &f->polkit.n_loads, 1));
        /* For so long that the next reading may begin at once. */
        turn_for(f, 400);
        polkit_answer_waiting(&f->polkit);
        f->polkit.actions[1] = OWN;
        assert_true(turn_until(f, &f->polkit.n_loads, 2));
        turn_for(f, 50);
        assert_int_equal(loaded.calls, 1);

        polkit_answer_waiting(&f->polkit);
        assert_true(turn_until(f, &loaded.calls, 2));
        assert_int_equal(authority_find_action(f->authority, OWN, &action), 0);
        assert_true(action.registered);
}

/* polkit is there, and does not answer; then the bus goes. Nobody waits on for an answer. */
static void test_the_bus_goes_in_mid_connection(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        g_atomic_int_set(&f->polkit.deaf, 1);
        ask(f, &asked);
        turn_for(f, 200);
        assert_int_equal(asked.answers, 0);
        bus_end(&f->bus);
        assert_true(turn_until(f, &asked.answers, 1));
        assert_int_equal(asked.last.failure, AUTHORITY_UNAVAILABLE);
}

/* And comes back: who asks from inside the failure itself is the hardest case. */
static void test_the_bus_goes_and_comes(void **state) {
        Fixture *f = *state;
        Asked asked[3] = {};

        start(f);
        f->polkit.check_waits = true;
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                ask(f, &asked[i]);
        assert_true(turn_until(f, &f->polkit.n_checks, 3));
        asked[0].again = asked[1].again = true;
        polkit_stop(&f->polkit);
        bus_end(&f->bus);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                assert_true(turn_until(f, &asked[i].answers, i < 2 ? 2 : 1));
                assert_int_equal(asked[i].last.failure, AUTHORITY_UNAVAILABLE);
        }

        f->polkit.check_waits = false;
        start(f);
        for (unsigned i = 0; i < 3; i++) {
                asked[0].answers = 0;
                ask(f, &asked[0]);
                assert_true(turn_until(f, &asked[0].answers, 1));
                assert_int_equal(asked[0].last.failure, AUTHORITY_ANSWERED);
        }
}

/* polkit is there and does not answer: who wants to know the actions does not wait for longer than
 * they have. */
static void test_polkit_says_nothing(void **state) {
        Fixture *f = *state;
        Loaded deaf = {.fixture = f}, waits = {.fixture = f}, forgotten = {.fixture = f};
        uint64_t end;

        start(f);
        g_atomic_int_set(&f->polkit.deaf, 1);
        assert_int_equal(authority_load_actions(f->authority, 100000, on_loaded, &deaf), 0);
        assert_int_equal(authority_load_actions(f->authority, 100000, on_loaded, &forgotten), 0);
        authority_forget(f->authority, &forgotten);
        assert_true(turn_until(f, &deaf.calls, 1));
        assert_int_equal(deaf.error, -ETIMEDOUT);
        assert_int_equal(forgotten.calls, 0);
        bus_end(&f->bus);
        turn_for(f, 50);
        polkit_stop(&f->polkit);
        g_atomic_int_set(&f->polkit.deaf, 0);

        start(f);
        f->polkit.load_waits = true;
        assert_int_equal(authority_load_actions(f->authority, 1000000, on_loaded, &waits), 0);
        assert_true(turn_until(f, &f->polkit.n_waiting, 1));
        assert_true(turn_until(f, &waits.calls, 1));
        assert_int_equal(waits.error, -ETIMEDOUT);

        /* What comes late is good for the next one. */
        polkit_answer_waiting(&f->polkit);
        end = now_ms() + 3000;
        while (authority_find_action(f->authority, GENERIC, &(AuthorityAction){}) == -EAGAIN &&
               now_ms() < end)
                turn(f);
        assert_int_equal(waits.calls, 1);
        assert_int_equal(authority_find_action(f->authority, GENERIC, &(AuthorityAction){}), 0);
}

/* polkit alone is started anew, with checks under way. */
static void test_polkit_goes_and_comes(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        f->polkit.check_waits = true;
        ask(f, &asked);
        assert_true(turn_until(f, &f->polkit.n_checks, 1));
        polkit_stop(&f->polkit);
        assert_true(turn_until(f, &asked.answers, 1));
        assert_int_equal(asked.last.failure, AUTHORITY_UNAVAILABLE);

        f->polkit.check_waits = false;
        polkit_start(&f->polkit);
        ask(f, &asked);
        assert_true(turn_until(f, &asked.answers, 2));
        assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
}

/* What is asked, word for word. */

static void ask_with(Fixture *f, Asked *asked, int pidfd, bool interactive) {
        AuthorityQuestion question = {
                .uid = 1000,
                .peer_uid = 1000,
                .pid = 4711,
                .pidfd = pidfd,
                .start_time = UINT64_C(5000000000),
                .action = OWN,
                .details = {{"endpoint", "docker"},
                            {"access", "full"},
                            {"polkit.message", "May I?"}},
                .interactive = interactive,
        };

        asked->fixture = f;
        assert_int_equal(authority_ask(f->authority, &question, on_answer, asked, &asked->check),
                         0);
        assert_true(turn_until(f, &asked->answers, asked->answers + 1));
}

static void expect_asked(const Fixture *f, const char *subject, const char *rest) {
        _cleanup_free_ char *expected = NULL;
        char *text = g_variant_print(f->polkit.asked, FALSE);

        assert_true(asprintf(&expected, "(('unix-process', {%s}), '" OWN "', %s)", subject, rest) >
                    0);
        assert_string_equal(text, expected);
        g_free(text);
}

#define SUBJECT "'pid': <uint32 4711>, 'start-time': <uint64 5000000000>, 'uid': <1000>"
#define DETAILS "{'endpoint': 'docker', 'access': 'full', 'polkit.message': 'May I?'}"

static void test_the_question(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        ask_with(f, &asked, -EBADF, false);
        expect_asked(f, SUBJECT, DETAILS ", 0, 'doorward-1'");
        assert_false(f->polkit.has_fd);
        ask_with(f, &asked, -EBADF, true);
        expect_asked(f, SUBJECT, DETAILS ", 1, 'doorward-2'");
}

/* A polkit that takes a pidfd is given one; one that is known not to is spared it; and of one of
 * which nothing is known yet it does not matter. */
static void test_the_pidfd(void **state) {
        static const struct {
                const char *version;
                bool expected;
        } polkits[] = {{"122", false}, {"124", true}, {"0.120", false}, {"126.1", true}};
        Fixture *f = *state;
        Asked asked = {};
        char rest[128];

        for (size_t i = 0; i < ELEMENTSOF(polkits); i++) {
                f->polkit.version = polkits[i].version;
                start(f);
                ask_with(f, &asked, STDIN_FILENO, false);
                assert_true(f->polkit.has_fd);
                (void)snprintf(rest, sizeof(rest), DETAILS ", 0, 'doorward-%zu'", 2 * i + 1);
                expect_asked(f, SUBJECT ", 'pidfd': <handle 0>", rest);
                ask_with(f, &asked, STDIN_FILENO, false);
                assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
                assert_int_equal(f->polkit.has_fd, polkits[i].expected);
                polkit_stop(&f->polkit);
                bus_end(&f->bus);
                turn_for(f, 50);
        }
}

/* What polkit says of itself; nothing of that is known while there is no link. */
static void test_what_it_is(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        assert_null(authority_version(f->authority));
        assert_false(authority_keeps(f->authority));
        for (guint32 features = 0; features < 4; features++) {
                f->polkit.version = "0.105";
                f->polkit.features = features;
                start(f);
                ask_with(f, &asked, -EBADF, false);
                assert_string_equal(authority_version(f->authority), "polkit 0.105");
                assert_int_equal(authority_keeps(f->authority), features & 1);
                polkit_stop(&f->polkit);
                bus_end(&f->bus);
                turn_for(f, 50);
                assert_null(authority_version(f->authority));
                assert_false(authority_keeps(f->authority));
        }
}

/* It is replaced by another one while the link is up. */
static void test_another_polkit(void **state) {
        Fixture *f = *state;
        Asked asked = {};
        uint64_t end;

        f->polkit.version = "122";
        start(f);
        ask_with(f, &asked, STDIN_FILENO, false);
        assert_string_equal(authority_version(f->authority), "polkit 122");
        assert_false(authority_keeps(f->authority));

        polkit_stop(&f->polkit);
        turn_for(f, 50);
        f->polkit.version = "126";
        f->polkit.features = 1;
        polkit_start(&f->polkit);
        end = now_ms() + 3000;
        while (!authority_keeps(f->authority) && now_ms() < end)
                turn(f);
        assert_true(authority_keeps(f->authority));
        assert_string_equal(authority_version(f->authority), "polkit 126");
        ask_with(f, &asked, STDIN_FILENO, false);
        assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
        assert_true(f->polkit.has_fd);
}

/* What an answer rests on. */
static void test_the_answer(void **state) {
        static const struct {
                const char *detail;
                bool temporary, dismissed;
        } answers[] = {
                {"polkit.dismissed", false, true},
                {"polkit.temporary_authorization_id", true, false},
                {"polkit.retains_authorization_after_challenge", true, false},
                {"polkit.something_else", false, false},
        };
        Fixture *f = *state;
        Asked asked = {};

        start(f);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                f->polkit.detail = answers[i].detail;
                ask_with(f, &asked, -EBADF, false);
                assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
                assert_int_equal(asked.last.decision, DECISION_DENIED);
                assert_int_equal(asked.last.temporary, answers[i].temporary);
                assert_int_equal(asked.last.dismissed, answers[i].dismissed);
        }
}

/* A prompt that is withdrawn is left for half a second to end by itself; then polkit is told. */
static void test_a_withdrawn_prompt(void **state) {
        Fixture *f = *state;
        AuthorityQuestion question = {
                .uid = 1000,
                .peer_uid = 1000,
                .pid = getpid(),
                .pidfd = -EBADF,
                .start_time = 1,
                .action = GENERIC,
                .interactive = true,
        };
        Asked asked = {.fixture = f};

        start(f);
        f->polkit.check_waits = true;
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(
                        authority_ask(f->authority, &question, on_answer, &asked, &asked.check), 0);
                assert_true(turn_until(f, &f->polkit.n_checks, i + 1));
                authority_cancel(f->authority, asked.check);
                turn_for(f, 100);
                assert_int_equal(f->polkit.n_cancelled, i == 2 ? 1 : 0);
                if (i == 0) {
                        polkit_answer_waiting(&f->polkit);
                        turn_for(f, AUTHORITY_CANCEL_DELAY_MS + 200);
                        assert_int_equal(f->polkit.n_cancelled, 0);
                } else if (i == 1)
                        assert_true(turn_until(f, &f->polkit.n_cancelled, 1));
        }

        /* The last one is still there when everything ends. */
        assert_int_equal(asked.answers, 0);
}

/* Anybody may send anybody a signal. One that says that something changed, or that polkit is
 * another one, is believed of polkit and of the bus. */

static void count_change(void *userdata) {
        ++*(unsigned *)userdata;
}

static void test_forged_signals(void **state) {
        Fixture *f = *state;
        GDBusConnection *stranger;
        unsigned changes = 0, before;
        Asked asked = {};

        start(f);
        authority_watch(f->authority, count_change, &changes);
        ask_with(f, &asked, -EBADF, false);
        before = changes;
        polkit_say_changed(&f->polkit);
        assert_true(turn_until(f, &changes, before + 1));

        before = changes;
        stranger = g_dbus_connection_new_for_address_sync(
                getenv("DBUS_SYSTEM_BUS_ADDRESS"),
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, NULL);
        assert_non_null(stranger);
        assert_true(g_dbus_connection_emit_signal(stranger, f->polkit.asker, POLKIT_PATH,
                                                  POLKIT_INTERFACE, "Changed", NULL, NULL));
        assert_true(g_dbus_connection_emit_signal(
                stranger, f->polkit.asker, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                "NameOwnerChanged",
                g_variant_new("(sss)", POLKIT_NAME, "",
                              g_dbus_connection_get_unique_name(stranger)),
                NULL));
        (void)g_dbus_connection_flush_sync(stranger, NULL, NULL);
        turn_for(f, 100);
        assert_int_equal(changes, before);

        /* Who answers is still known, too. */
        ask_with(f, &asked, -EBADF, false);
        assert_int_equal(asked.last.failure, AUTHORITY_ANSWERED);
        (void)g_dbus_connection_close_sync(stranger, NULL, NULL);
        g_object_unref(stranger);
        authority_watch(f->authority, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_asks_and_loads),
                TEST(test_a_cancelled_check_is_not_answered),
                TEST(test_a_failed_reading_leaves_nothing_known),
                TEST(test_without_a_bus_nothing_is_known),
                TEST(test_endless_changes_hold_up_nobody),
                TEST(test_who_waits_again_gets_the_next_reading),
                TEST(test_the_bus_goes_in_mid_connection),
                TEST(test_the_bus_goes_and_comes),
                TEST(test_polkit_says_nothing),
                TEST(test_polkit_goes_and_comes),
                TEST(test_the_question),
                TEST(test_the_pidfd),
                TEST(test_what_it_is),
                TEST(test_another_polkit),
                TEST(test_the_answer),
                TEST(test_a_withdrawn_prompt),
                TEST(test_forged_signals),
        };

        (void)g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
