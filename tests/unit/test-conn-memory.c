/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every allocation of the library fails once, one after the other. Each time there must be an error
 * that says so, and nothing may be lost: the descriptors are counted here, and memory by the leak
 * checker.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/auth.h"
#include "client/conn.h"
#include "tests/support/fake-agent.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"
#include "tests/support/no-memory.h"

#define READ_ONLY                                                                           \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"read_only\"," \
        "\"mode\":\"tracked\",\"lease\":\"l\",\"action\":\"a.b\",\"how\":\"implicit\","     \
        "\"connectAs\":\"client\",\"requestId\":\"r\"}"
#define GRANT_READ_ONLY READ_ONLY ",\"continues\":true}"
#define ENDED "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":\"r\"}}"

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

/* Once the broker's side has closed what it had. */
static int teardown(void **state) {
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

/* Serves whoever comes, one after the other. */
static void script_serve(FakeBroker *b) {
        while (!fake_broker_is_stopping(b)) {
                int fd;

                if (!fake_try_accept(b, 10) || !fake_try_read(b))
                        continue;
                if (b->data) {
                        fake_send(b, b->data);
                        continue;
                }

                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
                fake_send_fds(b, GRANT_READ_ONLY, &fd, 1);
        }
}

static bool attempt_open(void) {
        doorward_conn *conn = doorward_open_read_only("doorward:///docker");

        if (!conn) {
                no_memory_check_error();
                return false;
        }

        assert_false(no_memory_has_struck());
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

static void test_open(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);

        no_memory_sweep(attempt_open, 30);
        fake_broker_stop(broker);
}

static void send_zero(FakeBroker *b, const char *reply) {
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        fake_send_fds(b, reply, &fd, 1);
}

/* One more under a lease: the first over a wire, and another over the same. */
static void script_lease(FakeBroker *b) {
        int lease;

        fake_accept(b);
        fake_expect(b, NULL);
        send_zero(b, GRANT_READ_ONLY);
        lease = fake_put_aside(b);
        while (!fake_broker_is_stopping(b))
                if (fake_try_accept(b, 10))
                        while (fake_try_read(b))
                                send_zero(b, READ_ONLY "}");
        close_fd(lease);
}

static doorward_conn *leased;

static bool attempt_another(void) {
        for (int i = 0; i < 2; i++) {
                int fd = doorward_open_another(leased);

                if (fd < 0) {
                        no_memory_check_error();
                        return false;
                }
                close_fd(fd);
        }

        return true;
}

static int n_frees;

static void count_free(void *userdata) {
        n_frees++;
}

static void never_told(doorward_conn *conn, int reason, void *userdata) {
        fail_msg("told of %s", doorward_close_reason_to_string(reason));
}

/* What is not taken is not freed. */
static bool attempt_callback(void) {
        int r;

        n_frees = 0;
        r = doorward_set_close_callback(leased, never_told, NULL, count_free);
        if (r < 0)
                no_memory_check_error();
        no_memory_set_countdown(-1);
        assert_int_equal(doorward_set_close_callback(leased, NULL, NULL, NULL), 0);
        assert_int_equal(n_frees, r < 0 ? 0 : 1);
        return r == 0;
}

static bool attempt_grant_info(void) {
        doorward_grant_info *info = doorward_get_grant_info(leased);

        if (!info)
                no_memory_check_error();
        doorward_grant_info_free(info);
        return info;
}

/* Nothing is needed to learn that there is nothing new, which would end the lease. */
static bool attempt_look(void) {
        assert_int_equal(doorward_is_alive(leased), 1);
        assert_int_equal(doorward_process(leased), 0);
        assert_false(no_memory_has_struck());
        return true;
}

static void test_lease(void **state) {
        FakeBroker *broker = fake_broker_start(script_lease, NULL);

        leased = doorward_open_read_only("docker");
        assert_non_null(leased);
        no_memory_sweep(attempt_look, 0);
        no_memory_sweep(attempt_another, 15);
        no_memory_sweep(attempt_callback, 1);
        no_memory_sweep(attempt_grant_info, 1);
        no_memory_sweep(attempt_look, 0);
        assert_int_equal(doorward_close(leased), 0);
        fake_broker_stop(broker);
}

/* An end is one, and told, even if there is no memory to read why. */
static void script_end(FakeBroker *b) {
        while (!fake_broker_is_stopping(b)) {
                if (!fake_try_accept(b, 10) || !fake_try_read(b))
                        continue;
                send_zero(b, GRANT_READ_ONLY);
                fake_send(b, ENDED);
        }
}

static void told(doorward_conn *conn, int reason, void *userdata) {
        no_memory_set_countdown(-1);
        assert_int_equal(reason,
                         no_memory_has_struck() ? DOORWARD_CLOSE_BROKER : DOORWARD_CLOSE_REVOKED);
        ++*(int *)userdata;
}

static bool attempt_end(void) {
        long n_before = no_memory_get_countdown();
        doorward_conn *conn;
        int n = 0;

        no_memory_set_countdown(-1);
        conn = doorward_open_read_only("docker");
        assert_non_null(conn);
        assert_int_equal(doorward_set_close_callback(conn, told, &n, NULL), 0);
        no_memory_set_countdown(n_before);
        while (doorward_process(conn) == 0)
                ;
        no_memory_set_countdown(-1);
        assert_int_equal(n, 1);
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

static void test_end(void **state) {
        FakeBroker *broker = fake_broker_start(script_end, NULL);

        no_memory_sweep(attempt_end, 5);
        fake_broker_stop(broker);
}

/* The same after a conversation. */
static void script_converse(FakeBroker *b) {
        while (!fake_broker_is_stopping(b)) {
                char c;
                int fd;

                if (!fake_try_accept(b, 10) || !fake_try_read(b))
                        continue;
                fd = fake_begin_conversation(
                        b,
                        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0,"
                        "\"requestId\":\"r\"},\"continues\":true}",
                        "Password: ");
                (void)!recv(fd, &c, 1, 0);
                close_fd(fd);
                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
                fake_send_fds(b, GRANT_READ_ONLY, &fd, 1);
        }
}

static int collect(doorward_credential *cred, unsigned ncred, void *cbdata) {
        assert_string_equal(cred->prompt, "Password: ");
        cred->result = strdup("secret");
        return cred->result ? 0 : -1;
}

static int choose(doorward_credential *cred, unsigned ncred, void *cbdata) {
        cred->result = strdup("bob");
        return cred->result ? 0 : -1;
}

static bool attempt_open_auth(void) {
        static const int types[] = {DOORWARD_CRED_PASSPHRASE};
        static const doorward_auth auth = {types, 1, collect, NULL};
        doorward_conn *conn = doorward_open_auth("doorward://bob@/docker", &auth, DOORWARD_RO);

        if (!conn) {
                no_memory_set_countdown(-1);
                /* The callback's own memory is the callback's own matter. */
                if (doorward_get_last_error_code() != DOORWARD_ERR_AUTH_CANCELLED)
                        no_memory_check_error();
                return false;
        }

        assert_false(no_memory_has_struck());
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

static void test_open_auth(void **state) {
        FakeBroker *broker = fake_broker_start(script_converse, NULL);

        fake_agent_init();
        no_memory_sweep(attempt_open_auth, 40);
        fake_agent_deinit();
        fake_broker_stop(broker);
}

/* The same by an agent, for which the question is put again. */
static void script_need_agent(FakeBroker *b) {
        while (!fake_broker_is_stopping(b)) {
                int fd;

                if (!fake_try_accept(b, 10) || !fake_try_read(b))
                        continue;
                fake_send(b, "{\"error\":\"org.doorward.Broker.InteractiveAuthenticationRequired\","
                             "\"parameters\":{\"action\":\"a.b\",\"hint\":\"h\",\"requestId\":"
                             "\"r\"}}");
                if (!fake_try_accept(b, 100) || !fake_try_read(b))
                        continue;
                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
                fake_send_fds(b, GRANT_READ_ONLY, &fd, 1);
        }
}

static bool attempt_agent(void) {
        static const int types[] = {DOORWARD_CRED_PASSPHRASE};
        static const doorward_auth auth = {types, 1, collect, NULL};
        doorward_conn *conn = doorward_open_auth("docker", &auth, DOORWARD_RO);

        no_memory_set_countdown(-1);
        if (!conn) {
                no_memory_check_error();
                return false;
        }

        /* It was only the first refusal that had to be told in fewer words, and nobody reads it. */
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

static void test_agent(void **state) {
        FakeBroker *broker = fake_broker_start(script_need_agent, NULL);

        fake_agent_init();
        no_memory_sweep(attempt_agent, 40);
        assert_int_equal(fake_agent.n_freed, fake_agent.n_starts);
        fake_agent_deinit();
        fake_broker_stop(broker);
}

/* A choice among administrators needs a list of them. */
static bool attempt_choice(void) {
        static const int types[] = {DOORWARD_CRED_AUTHNAME};
        char alice[] = "alice", bob[] = "bob", *names[] = {alice, bob, NULL};
        doorward_auth auth = {types, 1, choose, NULL};
        _cleanup_error_ doorward_error error = {};
        size_t choice = 77;
        int r;

        r = auth_ask_choice(&auth, "Who? ", names, NULL, &choice, &error);
        no_memory_set_countdown(-1);
        assert_int_equal(r == 0 ? 1 : 77, choice);
        if (r < 0 && r != -ECANCELED)
                assert_true(no_memory_is(&error));
        return r == 0;
}

static void test_choice(void **state) {
        no_memory_sweep(attempt_choice, 2);
}

static bool attempt_get_uri(void) {
        doorward_conn conn = {.n_ref = 1, .pid = getpid(), .uri = {.endpoint = "docker"}};
        char *uri = doorward_get_uri(&conn);

        if (!uri)
                no_memory_check_error();
        free(uri);
        return uri;
}

static void test_get_uri(void **state) {
        no_memory_sweep(attempt_get_uri, 1);
}

/* A refusal stays one, though it may have to be told in fewer words. */
static bool attempt_refused(void) {
        doorward_conn *conn = doorward_open_read_only("docker");
        const doorward_error *error;

        assert_null(conn);
        no_memory_set_countdown(-1);
        error = doorward_get_last_error();
        assert_non_null(error);
        assert_non_null(error->message);
        assert_true(error->code == DOORWARD_ERR_DENIED || no_memory_is(error));
        return true;
}

static void test_refused(void **state) {
        FakeBroker *broker = fake_broker_start(
                script_serve, "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":"
                              "{\"action\":\"a.b\",\"hint\":\"h\",\"requestId\":\"r\"}}");

        no_memory_sweep(attempt_refused, 30);
        fake_broker_stop(broker);
}

static bool attempt_unnamed(void) {
        assert_null(doorward_open(NULL));
        no_memory_set_countdown(-1);
        assert_true(doorward_get_last_error_code() == DOORWARD_ERR_BAD_URI ||
                    no_memory_is(doorward_get_last_error()));
        assert_non_null(doorward_get_last_error()->message);
        return true;
}

static void test_unnamed(void **state) {
        FakeBroker *broker = fake_broker_start(
                script_serve, "{\"parameters\":{\"endpoint\":{\"name\":\"docker\"}}}");

        no_memory_sweep(attempt_unnamed, 10);
        fake_broker_stop(broker);
}

static bool attempt_copies(void) {
        doorward_error *saved, copy = {};
        int code;

        saved = doorward_save_last_error();
        code = doorward_copy_last_error(&copy);
        no_memory_set_countdown(-1);

        if (code < 0)
                assert_null(copy.message);
        doorward_error_clear(&copy);
        if (saved)
                assert_string_equal(saved->hint, "hint");
        doorward_error_free(saved);
        return saved && code == DOORWARD_ERR_LIMIT;
}

static void raise_one(void) {
        doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, 0, "message");
        error_set_hint(&error, "hint");
        error_raise(&error);
}

static bool attempt_raised_copies(void) {
        long n = no_memory_get_countdown();

        no_memory_set_countdown(-1);
        raise_one();
        no_memory_set_countdown(n);
        return attempt_copies();
}

static void test_copies(void **state) {
        no_memory_sweep(attempt_raised_copies, 5);
        doorward_reset_last_error();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_open, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lease, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_open_auth, setup, teardown),
                cmocka_unit_test_setup_teardown(test_agent, setup, teardown),
                cmocka_unit_test_setup_teardown(test_choice, setup, teardown),
                cmocka_unit_test_setup_teardown(test_get_uri, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unnamed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        };

        no_memory_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
