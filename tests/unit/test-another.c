/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/conn.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define CALL(access, rest)                                                                  \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"" access "\",\"lease\":\"l1\"" rest "}}"
#define LEASED(access, mode, lease)                                                     \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"" access  \
        "\",\"mode\":\"" mode "\",\"lease\":\"" lease "\",\"kept\":true,\"requestId\":" \
        "\"r1\"}"
#define GRANT LEASED("full", "revocable", "l1") ",\"continues\":true}"
#define GRANT_READ_ONLY LEASED("read_only", "tracked", "l1") ",\"continues\":true}"
#define ANOTHER LEASED("full", "revocable", "l1") "}"
#define ENDED "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":\"r1\"}}"
#define REFUSED(name, rest)                                                                   \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"requestId\":\"r2\",\"" \
        "hint\":\"h\"" rest "}}"

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

static void check_error(doorward_error_code code, int errnum) {
        const doorward_error *error = doorward_get_last_error();

        assert_non_null(error);
        if (error->code != (int)code || error->errnum != errnum)
                fail_msg("%s, %d: %s", doorward_error_code_to_string(error->code), error->errnum,
                         error->message);
}

/* The lease, whose wire is returned: then the next connection is accepted. */
static int begin(FakeBroker *b) {
        int lease;

        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, GRANT));
        lease = fake_put_aside(b);
        fake_accept(b);
        return lease;
}

static void answer(FakeBroker *b) {
        fake_expect(b, CALL("full", ""));
        close_fd(fake_send_socket(b, ANOTHER));
}

/* Both wires are hung up on by the last doorward_close(). */
static void end(FakeBroker *b, int lease) {
        fake_expect_hang_up(b);
        fake_take_up_consume_fd(b, lease);
        fake_expect_hang_up(b);
}

static doorward_conn *open_docker(void) {
        doorward_conn *conn = doorward_open("docker");

        if (!conn)
                fail_msg("%s", doorward_get_last_error_message());
        return conn;
}

static void check_another(doorward_conn *conn) {
        int fd = doorward_open_another(conn);

        if (fd < 0)
                fail_msg("%s", doorward_get_last_error_message());
        assert_true(fd > 2);
        assert_int_not_equal(fd, conn->fd);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(close(fd), 0);
        assert_null(doorward_get_last_error());
}

static void check_none(doorward_conn *conn, doorward_error_code code, int errnum) {
        assert_int_equal(doorward_open_another(conn), -1);
        check_error(code, errnum);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
}

static void stop(FakeBroker *broker, doorward_conn *conn) {
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* They come over one wire, and are connected. */
static void script_three(FakeBroker *b) {
        int lease = begin(b), other;
        char c;

        answer(b);
        answer(b);
        fake_expect(b, CALL("full", ""));
        other = fake_send_socket(b, ANOTHER);
        if (read(other, &c, 1) != 1 || c != 'x')
                fake_fail(b, "nothing came over the third");
        close_fd(other);
        end(b, lease);
}

static void test_another(void **state) {
        FakeBroker *broker = fake_broker_start(script_three, NULL);
        doorward_conn *conn = open_docker();
        int fd;

        /* Where it was opened, whatever the environment says by now. */
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        check_another(conn);
        check_another(conn);
        fd = doorward_open_another(conn);
        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(close(fd), 0);
        stop(broker, conn);
}

/* As an idle broker does; what is asked at that moment is asked again, on a new wire. */
static void script_closed(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        if (b->data)
                fake_expect(b, CALL("full", ""));
        fake_close(b);
        fake_accept(b);
        answer(b);
        answer(b);
        end(b, lease);
}

static void test_closed(void **state) {
        static const char before[] = "", late[] = "late";
        const char *const cases[] = {before, late};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FakeBroker *broker =
                        fake_broker_start(script_closed, cases[i] == late ? late : NULL);
                doorward_conn *conn = open_docker();

                check_another(conn);
                check_another(conn);
                check_another(conn);
                stop(broker, conn);
        }
}

/* Once, not for ever; and the next call begins anew. */
static void script_closed_twice(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        fake_close(b);
        fake_accept(b);
        fake_expect(b, CALL("full", ""));
        fake_close(b);
        fake_accept(b);
        fake_expect(b, CALL("full", ""));
        fake_close(b);
        fake_accept(b);
        answer(b);
        end(b, lease);
}

static void test_closed_twice(void **state) {
        FakeBroker *broker = fake_broker_start(script_closed_twice, NULL);
        doorward_conn *conn = open_docker();

        check_another(conn);
        check_none(conn, DOORWARD_ERR_NO_BROKER, ECONNRESET);
        check_none(conn, DOORWARD_ERR_NO_BROKER, ECONNRESET);
        assert_int_equal(doorward_is_alive(conn), 1);
        check_another(conn);
        stop(broker, conn);
}

/* What was answered in part may have been done. */
static void script_partly(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        fake_expect(b, CALL("full", ""));
        fake_send_bytes(b, b->data, strlen(b->data) + 1);
        fake_close(b);
        if (fake_try_accept(b, 100))
                fake_fail(b, "it was asked again");
        close_fd(lease);
}

static void check_not_repeated(const char *data, doorward_error_code code, int errnum) {
        FakeBroker *broker = fake_broker_start(script_partly, data);
        doorward_conn *conn = open_docker();

        check_another(conn);
        check_none(conn, code, errnum);
        fake_broker_stop(broker);
        assert_int_equal(doorward_close(conn), 0);
}

static void script_partly_without_end(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        fake_expect(b, CALL("full", ""));
        fake_send_bytes(b, "{\"parameters\":", 14);
        fake_close(b);
        if (fake_try_accept(b, 100))
                fake_fail(b, "it was asked again");
        close_fd(lease);
}

static void test_not_repeated(void **state) {
        FakeBroker *broker = fake_broker_start(script_partly_without_end, NULL);
        doorward_conn *conn = open_docker();

        check_another(conn);
        check_none(conn, DOORWARD_ERR_NO_BROKER, ECONNRESET);
        fake_broker_stop(broker);
        assert_int_equal(doorward_close(conn), 0);

        check_not_repeated("nonsense", DOORWARD_ERR_PROTOCOL, EPROTO);
        check_not_repeated(REFUSED("IdentityProofRequired", ",\"nonce\":\"n1\""),
                           DOORWARD_ERR_NO_BROKER, ECONNRESET);
}

static void script_silent(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        fake_expect(b, CALL("full", ""));
        end(b, lease);
}

static void test_late(void **state) {
        FakeBroker *broker = fake_broker_start(script_silent, NULL);
        doorward_conn *conn = open_docker();

        check_another(conn);
        check_none(conn, DOORWARD_ERR_TIMEOUT, ETIMEDOUT);
        stop(broker, conn);
}

/* Before Linux 6.5: the first call of a wire is proven, and those after it are not. */
static void script_prove(FakeBroker *b) {
        int lease = begin(b);

        fake_expect(b, CALL("full", ""));
        fake_send(b, REFUSED("IdentityProofRequired", ",\"nonce\":\"n1\""));
        fake_expect(b, CALL("full", ",\"proof\":\"n1\""));
        close_fd(fake_send_socket(b, ANOTHER));
        answer(b);
        end(b, lease);
}

static void test_proof(void **state) {
        FakeBroker *broker = fake_broker_start(script_prove, NULL);
        doorward_conn *conn = open_docker();

        check_another(conn);
        check_another(conn);
        stop(broker, conn);
}

/* A refusal leaves the wire and the connection as they were. */
static void script_refuse(FakeBroker *b) {
        int lease = begin(b);

        fake_expect(b, CALL("full", ""));
        fake_send(b, b->data);
        answer(b);
        end(b, lease);
}

static void check_refused(const char *reply, doorward_error_code code, int errnum) {
        FakeBroker *broker = fake_broker_start(script_refuse, reply);
        doorward_conn *conn = open_docker();

        check_none(conn, code, errnum);
        assert_string_equal(doorward_get_last_error()->request_id, "r2");
        assert_string_equal(doorward_get_last_error()->hint, "h");
        check_another(conn);
        stop(broker, conn);
}

static void test_refused(void **state) {
        check_refused(REFUSED("EndpointUnavailable", ",\"endpoint\":\"docker\",\"errno\":111"),
                      DOORWARD_ERR_ENDPOINT_DOWN, ECONNREFUSED);
        check_refused(REFUSED("LimitExceeded", ",\"limit\":\"DescriptorsPerLease\""),
                      DOORWARD_ERR_LIMIT, EDQUOT);
        check_refused(REFUSED("LeaseNotFound", ",\"lease\":\"l1\""), DOORWARD_ERR_NO_LEASE, ENOENT);
}

/* The broker has said why there is no lease any more, and needs not be asked again. */
static void script_ended(FakeBroker *b) {
        int lease = begin(b), wire = fake_put_aside(b);

        fake_take_up_consume_fd(b, lease);
        fake_send(b, ENDED);
        lease = fake_put_aside(b);
        fake_take_up_consume_fd(b, wire);
        fake_expect(b, CALL("full", ""));
        fake_send(b, REFUSED("LeaseNotFound", ",\"lease\":\"l1\""));
        end(b, lease);
}

static void test_ended(void **state) {
        FakeBroker *broker = fake_broker_start(script_ended, NULL);
        doorward_conn *conn = open_docker();

        check_none(conn, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED);
        assert_non_null(strstr(doorward_get_last_error_message(), "revoked"));
        assert_string_equal(doorward_get_last_error()->request_id, "r2");
        assert_int_equal(doorward_get_close_reason(conn), DOORWARD_CLOSE_REVOKED);
        check_none(conn, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED);
        assert_int_equal(doorward_is_alive(conn), 0);
        stop(broker, conn);
}

/* Answers that are not to be believed. */

typedef struct Lie {
        const char *reply;
        const char *message;
        const char *path; /* of what is sent; NULL: a socket; "": nothing */
        int flags;
        const char *grant; /* the first; NULL: GRANT with a socket */
} Lie;

static void send_lie(FakeBroker *b, const char *reply, const char *path, int flags) {
        int fd;

        if (!path)
                close_fd(fake_send_socket(b, reply));
        else if (!path[0])
                fake_send(b, reply);
        else {
                fd = open(path, flags | O_CLOEXEC);
                fake_send_fds(b, reply, &fd, 1);
        }
}

static void script_lie(FakeBroker *b) {
        const Lie *lie = b->data;
        int lease;

        fake_accept(b);
        fake_expect(b, NULL);
        if (lie->grant)
                send_lie(b, lie->grant, "/dev/zero", O_RDONLY);
        else
                close_fd(fake_send_socket(b, GRANT));
        lease = fake_put_aside(b);
        fake_accept(b);
        fake_expect(b, lie->grant ? CALL("read_only", "") : CALL("full", ""));
        send_lie(b, lie->reply, lie->path, lie->flags);
        end(b, lease);
}

static void check_lie(const Lie *lie) {
        FakeBroker *broker = fake_broker_start(script_lie, lie);
        doorward_conn *conn = lie->grant ? doorward_open_read_only("docker") : open_docker();

        assert_non_null(conn);
        check_none(conn, DOORWARD_ERR_PROTOCOL, EPROTO);
        if (!strstr(doorward_get_last_error_message(), lie->message))
                fail_msg("%s: %s", lie->reply, doorward_get_last_error_message());
        /* The wire is not used again, and the lease goes on. */
        assert_int_equal(doorward_is_alive(conn), 1);
        stop(broker, conn);
}

static void test_lies(void **state) {
        static const Lie lies[] = {
                {LEASED("full", "revocable", "l2") "}", "another lease", NULL, 0, NULL},
                {LEASED("full", "revocable", "l10") "}", "another lease", NULL, 0, NULL},
                {LEASED("full", "tracked", "l1") "}", "another lease", NULL, 0, NULL},
                {"{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\","
                 "\"mode\":\"revocable\",\"requestId\":\"r\"}}",
                 "another lease", NULL, 0, NULL},
                {LEASED("read_only", "revocable", "l1") "}", "another access", NULL, 0, NULL},
                {"{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":"
                 "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r\"}}",
                 "did not send it", "", 0, NULL},
                {"{\"parameters\":{\"state\":\"granted\",\"conversation\":0,\"access\":\"full\","
                 "\"mode\":\"revocable\",\"lease\":\"l1\",\"requestId\":\"r\"}}",
                 "cannot be read", NULL, 0, NULL},
                {ENDED, "cannot be read", "", 0, NULL},
                {GRANT, "more than it was asked", NULL, 0, NULL},
                {ANOTHER, "do not fit", "", 0, NULL},
                {"{}", "cannot be read", "", 0, NULL},
                /* Worse than the first one. */
                {ANOTHER, "another kind", "/dev/zero", O_RDWR, NULL},
                {ANOTHER, "no endpoint", "/", O_RDONLY | O_DIRECTORY, NULL},
                {ANOTHER, "no endpoint", "/dev/zero", O_PATH, NULL},
                {LEASED("read_only", "tracked", "l1") "}", "can be written to", "/dev/zero", O_RDWR,
                 GRANT_READ_ONLY},
                {LEASED("read_only", "tracked", "l1") "}", "another kind", "/proc/self/exe",
                 O_RDONLY, GRANT_READ_ONLY},
                {LEASED("read_only", "tracked", "l1") "}", "another kind", NULL, 0,
                 GRANT_READ_ONLY},
        };

        for (size_t i = 0; i < ELEMENTSOF(lies); i++)
                check_lie(&lies[i]);
}

/* Under a lease that is held: there is nothing that the first one could be compared with. */
static void script_held(FakeBroker *b) {
        int lease, fd;

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":"
                       "\"docker\",\"access\":\"full\",\"hold\":true},\"more\":true}");
        fake_send(b, "{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":"
                     "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}");
        lease = fake_put_aside(b);
        fake_accept(b);
        answer(b);
        fake_expect(b, CALL("full", ""));
        fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
        fake_send_fds(b, ANOTHER, &fd, 1);
        fake_expect(b, CALL("full", ""));
        fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fake_send_fds(b, ANOTHER, &fd, 1);
        end(b, lease);
}

static void test_held(void **state) {
        FakeBroker *broker = fake_broker_start(script_held, NULL);
        doorward_conn *conn = doorward_open_auth("docker", NULL, DOORWARD_HOLD);

        assert_non_null(conn);
        check_another(conn);
        check_another(conn);
        check_none(conn, DOORWARD_ERR_PROTOCOL, EPROTO);
        stop(broker, conn);
}

/* There is nothing that it could be opened under. */
static void script_detached(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, "{\"parameters\":{\"state\":\"granted\",\"connection\":0,"
                                     "\"access\":\"full\",\"mode\":\"none\",\"requestId\":"
                                     "\"r1\"}}"));
        fake_expect_hang_up(b);
}

static void test_no_lease(void **state) {
        FakeBroker *broker = fake_broker_start(script_detached, NULL);
        doorward_conn *conn = open_docker();

        assert_int_equal(doorward_open_another(conn), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EOPNOTSUPP);
        assert_non_null(doorward_get_last_error()->hint);
        stop(broker, conn);

        assert_int_equal(doorward_open_another(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
}

/* Several threads at once. */
#define THREADS 4
#define ROUNDS 50

static void script_many(FakeBroker *b) {
        int lease = begin(b);

        for (int i = 0; i < THREADS * ROUNDS; i++)
                answer(b);
        end(b, lease);
}

static void *open_many(void *userdata) {
        for (int i = 0; i < ROUNDS; i++) {
                int fd = doorward_open_another(userdata);

                if (fd < 0)
                        return (void *)"it was refused";
                close_fd(fd);
        }

        return NULL;
}

static void test_threads(void **state) {
        FakeBroker *broker = fake_broker_start(script_many, NULL);
        doorward_conn *conn = open_docker();
        pthread_t threads[THREADS];
        void *problem;

        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, open_many, conn), 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], &problem), 0);
                assert_null(problem);
        }
        stop(broker, conn);
}

/* A child lets go of its copy of the wire, which the parent goes on to use. */
static void script_two(FakeBroker *b) {
        int lease = begin(b);

        answer(b);
        answer(b);
        end(b, lease);
}

static int child_of(doorward_conn *conn) {
        if (doorward_open_another(conn) != -1 || errno != ECHILD)
                return 1;

        return doorward_close(conn) == 0 ? 0 : 2;
}

static void test_child(void **state) {
        FakeBroker *broker = fake_broker_start(script_two, NULL);
        doorward_conn *conn = open_docker();
        int status;
        pid_t pid;

        check_another(conn);
        pid = fork();
        if (pid == 0)
                _exit(child_of(conn));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        check_another(conn);
        stop(broker, conn);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_another), TEST(test_closed),   TEST(test_closed_twice),
                TEST(test_late),    TEST(test_proof),    TEST(test_not_repeated),
                TEST(test_refused), TEST(test_ended),    TEST(test_lies),
                TEST(test_held),    TEST(test_no_lease), TEST(test_threads),
                TEST(test_child),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
