/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every call that the library exports, with every allocation of it failing in turn. What cannot be
 * done is then the error of a lack of memory, and of nothing else; nothing is lost (the leak
 * checker looks), and no descriptor is left. What else an open goes through is in
 * test-conn-memory.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "client/error.h"
#include "tests/support/fake-agent.h"
#include "tests/support/fds.h"
#include "tests/support/getters.h"
#include "tests/support/no-memory.h"
#include "tests/support/wires.h"

#define GRANTED                                                                             \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"read_only\"," \
        "\"mode\":\"tracked\",\"lease\":\"l\",\"action\":\"a.b\",\"how\":\"implicit\","     \
        "\"connectAs\":\"client\",\"requestId\":\"r\"}"
#define INFO                                                                             \
        "{\"parameters\":{\"version\":\"1.2.3\",\"protocol\":1,\"identityProof\":false," \
        "\"polkit\":\"122\",\"features\":[\"pidfd\"],\"polkitFeatures\":[\"a\"],"        \
        "\"mechanisms\":[\"pam\"],\"limits\":{\"LeasesMax\":7,\"RequestRate\":20},"      \
        "\"use\":{\"LeasesMax\":1},\"warnings\":[]}}"
#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r\"},\"continues\":true}"
#define ENDPOINTS                                                                   \
        "{\"parameters\":{\"endpoint\":{\"name\":\"docker\",\"description\":\"d\"," \
        "\"kind\":\"stream\",\"template\":false}}}"

/* Whatever is answered is right, also nothing. */
static void converse(FakeBroker *b) {
        int fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        struct pollfd p = {.fd = fd, .events = POLLIN};

        (void)poll(&p, 1, FAKE_TIMEOUT_MS);
        close_fd(fd);
}

static void answer(FakeBroker *b, const char *call) {
        bool is_more = strstr(call, "\"more\":true");
        int fd;

        if (strstr(call, "GetBrokerInfo"))
                fake_send(b, INFO);
        else if (strstr(call, "ListEndpoints"))
                fake_send(b, ENDPOINTS);
        else {
                if (strstr(call, "\"user\""))
                        converse(b);
                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
                fake_send_fds(b, is_more ? GRANTED ",\"continues\":true}" : GRANTED "}", &fd, 1);
        }
}

static void script_serve(FakeBroker *b) {
        wires_serve(b, answer, NULL, NULL);
}

/* Without a failure in between. */
static doorward_conn *open_safely(void) {
        long n = no_memory_get_countdown();
        doorward_conn *conn;

        no_memory_set_countdown(-1);
        conn = doorward_open_read_only("docker");
        assert_non_null(conn);
        no_memory_set_countdown(n);
        return conn;
}

/* What needs no memory is done whatever there is. */
static bool conclude_always(bool done) {
        assert_true(done);
        assert_false(no_memory_has_struck());
        return true;
}

static bool try_open(void) {
        return no_memory_conclude_open(doorward_open("doorward:///docker?access=read-only"));
}

static bool try_open_read_only(void) {
        return no_memory_conclude_open(doorward_open_read_only("docker"));
}

static bool try_open_auth(void) {
        return no_memory_conclude_open(
                doorward_open_auth("docker", NULL, DOORWARD_RO | DOORWARD_NO_ALIASES));
}

static int ask_later(doorward_credential *cred, unsigned ncred, void *cbdata) {
        return DOORWARD_AUTH_LATER;
}

static bool answer_question(doorward_opening *opening) {
        doorward_credential cred = {.type = DOORWARD_CRED_PASSPHRASE};
        int r;

        no_memory_give(&cred, "secret");
        r = doorward_open_answer(opening, &cred, 1);
        assert_null(cred.result);
        return no_memory_conclude(r >= 0);
}

/* As poll(2) wants it: for a while at most, after which the test has failed. */
static int ms_until(long long usec) {
        struct timespec now = {};
        long long ms;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        ms = (usec - now.tv_sec * 1000000 - now.tv_nsec / 1000) / 1000 + 1;
        return ms < 0 ? 0 : ms < FAKE_TIMEOUT_MS ? (int)ms : FAKE_TIMEOUT_MS;
}

/* Step by step, as a loop does it; a question is answered between two of them. */
static bool finish_opening(doorward_opening *opening) {
        struct pollfd p = {};
        long long usec;

        while (doorward_open_process(opening) > 0) {
                p.fd = doorward_open_get_event_fd(opening);
                p.events = (short)doorward_open_get_events(opening);
                if (p.fd < 0 || p.events < 0 || doorward_open_get_timeout(opening, &usec) < 0)
                        return no_memory_conclude(false);
                if (doorward_open_is_asking(opening) > 0) {
                        if (!answer_question(opening))
                                return false;
                } else
                        assert_true(poll(&p, 1, ms_until(usec)) > 0 || usec < LLONG_MAX);
        }

        return no_memory_conclude_open(doorward_open_finish(opening));
}

static bool open_stepwise(const char *uri) {
        static const int types[] = {DOORWARD_CRED_PASSPHRASE};
        static const doorward_auth auth = {types, 1, ask_later, NULL};
        doorward_opening *opening = doorward_open_start(uri, &auth, DOORWARD_RO);
        bool done = opening ? finish_opening(opening) : no_memory_conclude(false);

        doorward_open_free(opening);
        return done;
}

static bool try_open_start(void) {
        return open_stepwise("docker");
}

static bool try_open_answer(void) {
        return open_stepwise("doorward://bob@/docker");
}

static bool try_close(void) {
        doorward_conn *conn = open_safely();

        return conclude_always(doorward_ref(conn) == 0 && doorward_close(conn) == 1 &&
                               doorward_close(conn) == 0);
}

static bool try_steal_fd(void) {
        doorward_conn *conn = open_safely();
        int fd = doorward_steal_fd(conn);

        close_fd(fd);
        assert_int_equal(doorward_close(conn), 0);
        return conclude_always(fd >= 0);
}

static bool try_get_event_fd(void) {
        doorward_conn *conn = open_safely();
        long long usec;
        bool done;

        done = doorward_get_event_fd(conn) >= 0 && doorward_get_events(conn) == POLLIN &&
               doorward_get_timeout(conn, &usec) == 0;
        assert_int_equal(doorward_close(conn), 0);
        return conclude_always(done);
}

static bool try_get_fd(void) {
        return conclude_always(doorward_get_fd(getters_conn) >= 0);
}

static bool try_get_type(void) {
        return conclude_always(strcmp(doorward_get_type(getters_conn), "device") == 0);
}

static bool try_look(void) {
        return conclude_always(doorward_is_alive(getters_conn) == 1 &&
                               doorward_process(getters_conn) == 0 &&
                               doorward_get_close_reason(getters_conn) == DOORWARD_CLOSE_NONE);
}

static bool try_way(void) {
        return conclude_always(doorward_is_encrypted(getters_conn) == 0 &&
                               doorward_is_secure(getters_conn) >= 0);
}

static bool try_words(void) {
        return conclude_always(strcmp(doorward_close_reason_to_string(1), "client") == 0 &&
                               strcmp(doorward_error_code_to_string(0), "ok") == 0 &&
                               strcmp(doorward_error_domain_to_string(0), "none") == 0 &&
                               doorward_auth_default->cb && doorward_version() > 0);
}

static void on_error(void *userdata, const doorward_error *error) {}

static bool try_set_error_func(void) {
        doorward_set_error_func(NULL, on_error);
        doorward_set_error_func(NULL, NULL);
        return conclude_always(true);
}

static bool try_get_hostname(void) {
        char *name = doorward_get_hostname(getters_conn);
        bool done = no_memory_conclude(name);

        free(name);
        return done;
}

static bool try_get_host_info(void) {
        doorward_host_info *info = doorward_get_host_info(NULL);
        bool done = no_memory_conclude(info);

        doorward_host_info_free(info);
        return done;
}

static bool try_get_security_model(void) {
        doorward_security_model *model = doorward_get_security_model(getters_conn);
        bool done = no_memory_conclude(model);

        doorward_security_model_free(model);
        return done;
}

static bool try_get_limits(void) {
        doorward_limits *limits = doorward_get_limits(NULL);
        bool done = no_memory_conclude(limits);

        if (done)
                assert_int_equal(limits->n_limits, 2);
        doorward_limits_free(limits);
        return done;
}

static bool try_get_lib_version(void) {
        unsigned long version = 0;

        return conclude_always(doorward_get_lib_version(getters_conn, &version) == 0 &&
                               version > 0);
}

/* The first makes a wire, the second uses it. */
static bool try_open_another(void) {
        for (int i = 0; i < 2; i++) {
                int fd = doorward_open_another(getters_conn);

                if (!no_memory_conclude(fd >= 0))
                        return false;
                close_fd(fd);
        }

        return true;
}

static void on_close(doorward_conn *conn, int reason, void *userdata) {}

static bool try_set_close_callback(void) {
        return no_memory_conclude(doorward_set_close_callback(getters_conn, on_close, NULL, NULL) ==
                                  0);
}

static void raise_one(void) {
        long n = no_memory_get_countdown();
        doorward_error error = {};

        no_memory_set_countdown(-1);
        error_set(&error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, 0, "message");
        error_set_hint(&error, "hint");
        error_raise(&error);
        no_memory_set_countdown(n);
}

static bool try_read_error(void) {
        bool done;

        raise_one();
        done = doorward_get_last_error() && doorward_get_last_error_code() == DOORWARD_ERR_LIMIT &&
               doorward_get_last_error_domain() == DOORWARD_DOMAIN_BROKER &&
               strcmp(doorward_get_last_error_message(), "message") == 0;
        doorward_reset_last_error();
        return conclude_always(done && !doorward_get_last_error());
}

/* These have no error of their own: it is what they return. */
static bool try_copy_last_error(void) {
        doorward_error copy = {.code = 77};
        int code;

        raise_one();
        code = doorward_copy_last_error(&copy);
        assert_int_equal(copy.code, code < 0 ? 77 : DOORWARD_ERR_LIMIT);
        if (code >= 0)
                doorward_error_clear(&copy);
        return code >= 0;
}

static bool try_save_last_error(void) {
        doorward_error *saved;
        bool done;

        raise_one();
        saved = doorward_save_last_error();
        done = saved;
        doorward_error_free(saved);
        return done;
}

/* All of client/libdoorward.sym, in its order. */
static const struct {
        const char *symbol;
        NoMemoryAttempt attempt;
        long at_least; /* so many allocations */
} calls[] = {
        {"doorward_auth_default", try_words, 0},
        {"doorward_close", try_close, 0},
        {"doorward_close_reason_to_string", try_words, 0},
        {"doorward_copy_last_error", try_copy_last_error, 2},
        {"doorward_error_clear", try_copy_last_error, 2},
        {"doorward_error_code_to_string", try_words, 0},
        {"doorward_error_domain_to_string", try_words, 0},
        {"doorward_error_free", try_save_last_error, 3},
        {"doorward_get_capabilities", getters_try_capabilities, 100},
        {"doorward_get_close_reason", try_look, 0},
        {"doorward_get_event_fd", try_get_event_fd, 0},
        {"doorward_get_events", try_get_event_fd, 0},
        {"doorward_get_fd", try_get_fd, 0},
        {"doorward_get_grant_info", getters_try_grant_info, 1},
        {"doorward_get_host_info", try_get_host_info, 1},
        {"doorward_get_hostname", try_get_hostname, 1},
        {"doorward_get_last_error", try_read_error, 0},
        {"doorward_get_last_error_code", try_read_error, 0},
        {"doorward_get_last_error_domain", try_read_error, 0},
        {"doorward_get_last_error_message", try_read_error, 0},
        {"doorward_get_lib_version", try_get_lib_version, 0},
        {"doorward_get_limits", try_get_limits, 30},
        {"doorward_get_security_model", try_get_security_model, 1},
        {"doorward_get_timeout", try_get_event_fd, 0},
        {"doorward_get_type", try_get_type, 0},
        {"doorward_get_uri", getters_try_uri, 1},
        {"doorward_get_version", getters_try_version, 30},
        {"doorward_grant_info_free", getters_try_grant_info, 1},
        {"doorward_host_info_free", try_get_host_info, 1},
        {"doorward_is_alive", try_look, 0},
        {"doorward_is_encrypted", try_way, 0},
        {"doorward_is_secure", try_way, 0},
        {"doorward_limits_free", try_get_limits, 30},
        {"doorward_open", try_open, 30},
        {"doorward_open_another", try_open_another, 15},
        {"doorward_open_answer", try_open_answer, 40},
        {"doorward_open_auth", try_open_auth, 30},
        {"doorward_open_finish", try_open_start, 30},
        {"doorward_open_free", try_open_start, 30},
        {"doorward_open_get_event_fd", try_open_start, 30},
        {"doorward_open_get_events", try_open_start, 30},
        {"doorward_open_get_timeout", try_open_start, 30},
        {"doorward_open_is_asking", try_open_answer, 40},
        {"doorward_open_process", try_open_start, 30},
        {"doorward_open_read_only", try_open_read_only, 30},
        {"doorward_open_start", try_open_start, 30},
        {"doorward_process", try_look, 0},
        {"doorward_ref", try_close, 0},
        {"doorward_reset_last_error", try_read_error, 0},
        {"doorward_save_last_error", try_save_last_error, 3},
        {"doorward_security_model_free", try_get_security_model, 1},
        {"doorward_set_close_callback", try_set_close_callback, 1},
        {"doorward_set_error_func", try_set_error_func, 0},
        {"doorward_steal_fd", try_steal_fd, 0},
        {"doorward_version", try_words, 0},
};

static void test_calls(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);

        fake_agent_init();
        getters_conn = doorward_open_read_only("docker");
        assert_non_null(getters_conn);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                no_memory_sweep(calls[i].attempt, calls[i].at_least);
        assert_int_equal(doorward_close(getters_conn), 0);
        fake_agent_deinit();
        fake_broker_stop(broker);
}

/* A call that is added has to be tried, too. */
static void test_complete(void **state) {
        _cleanup_free_ char *line = NULL;
        FILE *file = fopen(SYMBOLS, "re");
        size_t size = 0, n = 0;

        assert_non_null(file);
        while (getline(&line, &size, file) > 0) {
                char *name = strstr(line, "doorward_"), *end = name ? strchr(name, ';') : NULL;

                if (!end || name != line + strspn(line, " \t"))
                        continue;
                *end = 0;
                if (n == ELEMENTSOF(calls) || !streq(calls[n].symbol, name))
                        fail_msg("%s is not tried", name);
                n++;
        }
        (void)fclose(file);
        assert_int_equal(n, ELEMENTSOF(calls));
}

static int n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

static int teardown(void **state) {
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_complete),
                cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        };

        no_memory_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
