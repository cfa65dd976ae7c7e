/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/conn.h"
#include "config.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define GRANTED(rest)                                                         \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":" \
        "\"full\",\"mode\":\"none\",\"requestId\":\"r1\"" rest "}}"

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

static int teardown(void **state) {
        doorward_reset_last_error();
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void check_error(int code, int errnum) {
        assert_int_equal(doorward_get_last_error_code(), code);
        assert_int_equal(errno, errnum);
}

static void script_grant(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, b->data));
        fake_expect_hang_up(b);
}

/* The machine and the library are there without a connection, too. */
static void test_machine(void **state) {
        doorward_host_info *info;
        unsigned long version = 0;
        struct utsname names;
        char *name;

        assert_int_equal(uname(&names), 0);
        assert_int_equal(doorward_close(NULL), -1);
        name = doorward_get_hostname(NULL);
        assert_non_null(name);
        assert_string_equal(name, names.nodename);
        free(name);
        /* What succeeds forgets the error before it. */
        assert_null(doorward_get_last_error());

        info = doorward_get_host_info(NULL);
        assert_non_null(info);
        assert_string_equal(info->hostname, names.nodename);
        assert_true(info->memory_total > 0);
        doorward_host_info_free(info);

        assert_int_equal(doorward_get_lib_version(NULL, &version), 0);
        assert_int_equal(version, doorward_version());
        assert_int_equal(doorward_get_lib_version(NULL, NULL), -1);
        check_error(DOORWARD_ERR_INVALID_ARG, EINVAL);
}

static void test_with_connection(void **state) {
        FakeBroker *broker = fake_broker_start(script_grant, GRANTED(""));
        doorward_conn *conn = doorward_open("docker");
        doorward_host_info *info;
        unsigned long version = 0;
        char *name;

        assert_non_null(conn);
        info = doorward_get_host_info(conn);
        name = doorward_get_hostname(conn);
        assert_non_null(info);
        assert_non_null(name);
        assert_string_equal(info->hostname, name);
        assert_int_equal(doorward_get_lib_version(conn, &version), 0);
        assert_int_equal(version, doorward_version());
        free(name);
        doorward_host_info_free(info);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* What the security model says is of the grant. */

static doorward_conn *open_granted(FakeBroker **ret, const char *reply) {
        doorward_conn *conn;

        *ret = fake_broker_start(script_grant, reply);
        conn = strstr(reply, "read_only") ? doorward_open_read_only("docker")
                                          : doorward_open("docker");
        if (!conn)
                fail_msg("%s: %s", reply, doorward_get_last_error_message());
        return conn;
}

#define GRANTED_READ_ONLY(rest)                                               \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":" \
        "\"read_only\",\"mode\":\"none\",\"requestId\":\"r1\"" rest "}}"

static bool same(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static void test_security_model(void **state) {
        static const struct {
                const char *reply, *authorizer, *connect_as, *read_only;
        } cases[] = {
                {GRANTED(",\"connectAs\":\"service\""), "polkit", "service", "none"},
                {GRANTED(",\"connectAs\":\"alice\",\"pam\":true"), "polkit+pam", "alice", "none"},
                {GRANTED(",\"pam\":false"), "polkit", NULL, "none"},
                {GRANTED_READ_ONLY(",\"means\":\"socket\""), "polkit", NULL, "socket"},
                {GRANTED_READ_ONLY(",\"means\":\"open_flags\""), "polkit", NULL, "open-flags"},
                {GRANTED_READ_ONLY(",\"means\":\"filter\""), "polkit", NULL, "filter"},
                {GRANTED_READ_ONLY(""), "polkit", NULL, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FakeBroker *broker;
                doorward_conn *conn = open_granted(&broker, cases[i].reply);
                doorward_security_model *model = doorward_get_security_model(conn);

                assert_non_null(model);
                assert_int_equal(doorward_close(conn), 0);
                fake_broker_stop(broker);
                if (!same(model->authorizer, cases[i].authorizer) ||
                    !same(model->connect_as, cases[i].connect_as) ||
                    !same(model->read_only, cases[i].read_only))
                        fail_msg("%s: %s, %s, %s", cases[i].reply, model->authorizer,
                                 model->connect_as ?: "NULL", model->read_only ?: "NULL");
                assert_string_equal(model->mode, "none");
                assert_non_null(model->label);
                doorward_security_model_free(model);
        }
        doorward_security_model_free(NULL);
}

/* What is no word of the interface is no grant. */
static void test_security_model_unreadable(void **state) {
        static const char *const replies[] = {GRANTED(",\"means\":\"luck\""),
                                              GRANTED(",\"means\":1"), GRANTED(",\"pam\":1")};

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                FakeBroker *broker = fake_broker_start(script_grant, replies[i]);

                assert_null(doorward_open("docker"));
                check_error(DOORWARD_ERR_PROTOCOL, EPROTO);
                fake_broker_stop(broker);
        }
}

/* The kernel has the label of the other end of a socket; where it has none, there is none, and once
 * the descriptor is gone there is nothing that has one. */
static void test_label(void **state) {
        FakeBroker *broker;
        doorward_conn *conn = open_granted(&broker, GRANTED(""));
        doorward_security_model *model;
        char label[4097] = "";
        socklen_t n = 4096;
        int fd;

        if (getsockopt(doorward_get_fd(conn), SOL_SOCKET, SO_PEERSEC, label, &n) < 0)
                n = 0;
        label[n] = 0;
        model = doorward_get_security_model(conn);
        assert_int_equal(strncmp(label, model->label, strlen(model->label)), 0);
        assert_true(strlen(model->label) + 1 >= strlen(label));
        doorward_security_model_free(model);

        fd = doorward_steal_fd(conn);
        assert_true(fd >= 0);
        model = doorward_get_security_model(conn);
        assert_string_equal(model->label, "");
        doorward_security_model_free(model);
        close_fd(fd);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* Nothing leaves the machine, so nothing is encrypted; and one's own instance of the broker, as
 * this one is, is not the system's. */
static void test_way(void **state) {
        FakeBroker *broker;
        doorward_conn *conn = open_granted(&broker, GRANTED(""));

        assert_int_equal(doorward_is_encrypted(conn), 0);
        assert_int_equal(doorward_is_secure(conn), getuid() == 0);
        conn->secure = !conn->secure;
        assert_int_equal(doorward_is_secure(conn), getuid() != 0);
        conn->encrypted = true;
        assert_int_equal(doorward_is_encrypted(conn), 1);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* Limits. */

#define LIMITS_REPLY                                                                       \
        "{\"parameters\":{\"limits\":{\"LeasesPerUser\":16,\"RequestRate\":20,\"New\\n\":" \
        "5000000000},\"use\":{\"LeasesPerUser\":3,\"Other\":1}}}"

static void script_info(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}");
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

static const doorward_limit *find_limit(const doorward_limits *limits, const char *name) {
        for (unsigned i = 0; i < limits->n_limits; i++)
                if (streq(limits->limits[i].name, name))
                        return &limits->limits[i];

        fail_msg("no %s", name);
        return NULL;
}

static void test_limits(void **state) {
        FakeBroker *broker = fake_broker_start(script_info, LIMITS_REPLY);
        doorward_limits *limits = doorward_get_limits(NULL);

        fake_broker_stop(broker);
        assert_non_null(limits);
        assert_int_equal(limits->n_limits, 3);
        assert_int_equal(find_limit(limits, "LeasesPerUser")->max, 16);
        assert_int_equal(find_limit(limits, "LeasesPerUser")->used, 3);
        assert_int_equal(find_limit(limits, "RequestRate")->max, 20);
        assert_int_equal(find_limit(limits, "RequestRate")->used, -1);
        /* One of a later broker, with a name that is not fit to be shown. */
        assert_int_equal(find_limit(limits, "New ")->max, 5000000000);
        doorward_limits_free(limits);

        /* An older one does not say what is used; and there can be none. */
        broker = fake_broker_start(script_info, "{\"parameters\":{\"limits\":{\"A\":1}}}");
        limits = doorward_get_limits(NULL);
        fake_broker_stop(broker);
        assert_int_equal(find_limit(limits, "A")->used, -1);
        doorward_limits_free(limits);

        broker = fake_broker_start(script_info, "{\"parameters\":{\"limits\":{}}}");
        limits = doorward_get_limits(NULL);
        fake_broker_stop(broker);
        assert_int_equal(limits->n_limits, 0);
        doorward_limits_free(limits);
        doorward_limits_free(NULL);
}

static void test_limits_unreadable(void **state) {
        static const char *const replies[] = {
                "{\"parameters\":{}}",
                "{\"parameters\":{\"limits\":[]}}",
                "{\"parameters\":{\"limits\":{\"A\":\"1\"}}}",
                "{\"parameters\":{\"limits\":{},\"use\":{\"A\":1.5}}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                FakeBroker *broker = fake_broker_start(script_info, replies[i]);

                if (doorward_get_limits(NULL))
                        fail_msg("%s is taken", replies[i]);
                check_error(DOORWARD_ERR_PROTOCOL, EPROTO);
                fake_broker_stop(broker);
        }
}

/* Of the connection's broker, whatever the environment says by now. */

static void script_both(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, GRANTED("")));
        script_info(b);
}

static void test_limits_of_connection(void **state) {
        FakeBroker *broker = fake_broker_start(script_both, LIMITS_REPLY);
        doorward_conn *conn = doorward_open("docker");
        doorward_limits *limits;

        assert_non_null(conn);
        assert_int_equal(setenv("DOORWARD_SOCKET", "/nonexistent/broker", 1), 0);
        limits = doorward_get_limits(conn);
        assert_non_null(limits);
        assert_null(doorward_get_limits(NULL));
        check_error(DOORWARD_ERR_NO_BROKER, ENOENT);
        doorward_limits_free(limits);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* Capabilities. */

#define INFO_HEAD \
        "{\"parameters\":{\"version\":\"9.8.7\",\"protocol\":1,\"identityProof\":true,\"polkit\":"
#define INFO                                                                              \
        INFO_HEAD                                                                         \
        "\"polkit 122\",\"features\":[\"pidfd\",\"fdstore\"],\"polkitFeatures\":[\"t\"]," \
        "\"mechanisms\":[\"agent\"]}}"
#define OLD_INFO INFO_HEAD "null,\"features\":[\"peerpidfd\"]}}"
#define ENDPOINT "{\"parameters\":{\"endpoint\":{\"name\":\"docker\",\"problem\":null}}}"

typedef struct Pair {
        const char *info, *list;
} Pair;

static void script_capabilities(FakeBroker *b) {
        const Pair *pair = b->data;

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}");
        fake_send(b, pair->info);
        if (pair->list) {
                fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":"
                               "{\"decisions\":true},\"more\":true}");
                fake_send(b, pair->list);
        }
        fake_expect_hang_up(b);
}

static char broker_path[sizeof(((FakeBroker *)NULL)->path)];

static json_t *capabilities_of(const Pair *pair) {
        FakeBroker *broker = fake_broker_start(script_capabilities, pair);
        char *text = doorward_get_capabilities(NULL);
        json_t *object;

        memcpy(broker_path, broker->path, sizeof(broker_path));
        fake_broker_stop(broker);
        if (!text)
                fail_msg("%s: %s", pair->info, doorward_get_last_error_message());
        object = json_loads(text, 0, NULL);
        assert_non_null(object);
        free(text);
        return object;
}

/* The value at a path of members: "broker.version". */
static const json_t *value_at(const json_t *object, const char *path) {
        char name[64];
        size_t n;

        for (; *path; path += n + (path[n] == '.')) {
                n = strcspn(path, ".");
                (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
                object = json_object_get(object, name);
        }

        return object;
}

static const char *text_at(const json_t *object, const char *path) {
        return json_string_value(value_at(object, path)) ?: "";
}

static void test_capabilities(void **state) {
        static const Pair pair = {INFO, ENDPOINT};
        json_t *object = capabilities_of(&pair);
        struct utsname names;

        assert_int_equal(uname(&names), 0);
        assert_string_equal(text_at(object, "host.hostname"), names.nodename);
        assert_string_equal(text_at(object, "library.version"), VERSION);
        assert_string_equal(text_at(object, "broker.version"), "9.8.7");
        assert_string_equal(text_at(object, "broker.interface"), "org.doorward.Broker");
        assert_int_equal(json_integer_value(value_at(object, "broker.protocol")), 1);
        assert_string_equal(text_at(object, "broker.socket"), broker_path);
        assert_int_equal(json_is_true(value_at(object, "broker.secure")), getuid() == 0);
        assert_int_equal(json_array_size(value_at(object, "broker.features")), 2);
        assert_true(json_is_true(value_at(object, "kernel.pidfd")));
        assert_true(json_is_false(value_at(object, "kernel.peerPidfd")));
        assert_string_equal(text_at(object, "policy.authority"), "polkit 122");
        assert_int_equal(json_array_size(value_at(object, "policy.features")), 1);
        assert_true(json_is_true(value_at(object, "authentication.identityProof")));
        assert_int_equal(json_array_size(value_at(object, "authentication.mechanisms")), 1);
        assert_string_equal(text_at(json_array_get(value_at(object, "endpoints"), 0), "name"),
                            "docker");
        json_decref(object);
}

/* An older broker says less, and nothing is made up for it. */
static void test_capabilities_of_older(void **state) {
        static const Pair pair = {OLD_INFO, "{\"parameters\":{}}"};
        json_t *object = capabilities_of(&pair);

        assert_true(json_is_true(value_at(object, "kernel.peerPidfd")));
        assert_true(json_is_null(value_at(object, "policy.authority")));
        assert_null(value_at(object, "policy.features"));
        assert_null(value_at(object, "authentication.mechanisms"));
        assert_int_equal(json_array_size(value_at(object, "endpoints")), 0);
        json_decref(object);
}

static void test_capabilities_fail(void **state) {
        static const struct {
                Pair pair;
                int code;
        } cases[] = {
                {{"{\"parameters\":{}}", NULL}, DOORWARD_ERR_PROTOCOL},
                {{INFO_HEAD "7,\"features\":[]}}", NULL}, DOORWARD_ERR_PROTOCOL},
                {{INFO, "{\"parameters\":{\"endpoint\":1}}"}, DOORWARD_ERR_PROTOCOL},
                {{INFO, "{\"error\":\"org.doorward.Broker.LimitExceeded\",\"parameters\":"
                        "{\"limit\":\"RequestRate\",\"requestId\":\"r\"}}"},
                 DOORWARD_ERR_LIMIT},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FakeBroker *broker = fake_broker_start(script_capabilities, &cases[i].pair);

                assert_null(doorward_get_capabilities(NULL));
                if (doorward_get_last_error_code() != cases[i].code)
                        fail_msg("%s: %s", cases[i].pair.info, doorward_get_last_error_message());
                fake_broker_stop(broker);
        }
}

static void test_no_connection(void **state) {
        assert_int_equal(doorward_is_encrypted(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_is_secure(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_null(doorward_get_security_model(NULL));
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        /* Freeing forgets no error. */
        doorward_security_model_free(NULL);
        doorward_limits_free(NULL);
        doorward_host_info_free(NULL);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_CONN);
}

/* In a child nothing is said of the parent's connection. */

static int child_of(doorward_conn *conn) {
        unsigned long version = 7;

        if (doorward_get_host_info(conn) || errno != ECHILD)
                return 1;
        if (doorward_get_hostname(conn) || errno != ECHILD)
                return 2;
        if (doorward_get_lib_version(conn, &version) != -1 || errno != ECHILD || version != 7)
                return 3;
        if (doorward_is_secure(conn) != -1 || errno != ECHILD)
                return 4;
        if (doorward_is_encrypted(conn) != -1 || errno != ECHILD)
                return 5;
        if (doorward_get_security_model(conn) || errno != ECHILD)
                return 6;
        if (doorward_get_capabilities(conn) || errno != ECHILD)
                return 7;
        if (doorward_get_limits(conn) || errno != ECHILD)
                return 8;
        return 0;
}

static void test_child(void **state) {
        FakeBroker *broker = fake_broker_start(script_grant, GRANTED(""));
        doorward_conn *conn = doorward_open("docker");
        int status;
        pid_t pid;

        assert_non_null(conn);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(child_of(conn));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_machine),
                TEST(test_with_connection),
                TEST(test_security_model),
                TEST(test_security_model_unreadable),
                TEST(test_label),
                TEST(test_way),
                TEST(test_limits),
                TEST(test_limits_unreadable),
                TEST(test_limits_of_connection),
                TEST(test_capabilities),
                TEST(test_capabilities_of_older),
                TEST(test_capabilities_fail),
                TEST(test_no_connection),
                TEST(test_child),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
