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

#define GRANT                                                                                  \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\"" \
        ":\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT_HELD                                                                           \
        "{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":\"revocable\"," \
        "\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT_NONE                                                                             \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\"" \
        ":\"none\",\"requestId\":\"r1\"}}"
#define ENDED(reason) \
        "{\"parameters\":{\"state\":\"ended\",\"reason\":\"" reason "\",\"requestId\":\"r1\"}}"

/* A lease, and how it ends. */
typedef struct Fixture {
        const char *last; /* what the broker says at the end; NULL: it just hangs up */
        int go[2];        /* written to when it is to end */
        FakeBroker *broker;
        doorward_conn *conn;
} Fixture;

/* What the callback was told, and does. */
static struct {
        int n;
        int reason;
        doorward_conn *conn;
        void *userdata;
        int n_freed;
        void *freed;
        int freed_inside;
        bool inside;
        bool closes;
        bool replaces;
        bool fails;
} told;

static char one[] = "one", two[] = "two";

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        memset(&told, 0, sizeof(told));
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

static void script_lease(FakeBroker *b) {
        Fixture *f = (Fixture *)b->data;
        char c;

        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, GRANT));
        if (read(f->go[0], &c, 1) != 1)
                return;
        if (f->last)
                fake_send(b, f->last);
        else
                fake_close(b);
        if (f->last)
                fake_expect_hang_up(b);
}

static void start(Fixture *f, const char *last) {
        *f = (Fixture){.last = last};
        assert_int_equal(pipe2(f->go, O_CLOEXEC), 0);
        f->broker = fake_broker_start(script_lease, f);
        f->conn = doorward_open("docker");
        if (!f->conn)
                fail_msg("%s", doorward_get_last_error_message());
}

static void stop(Fixture *f) {
        f->go[1] = close_fd(f->go[1]);
        if (f->conn)
                assert_int_equal(doorward_close(f->conn), 0);
        fake_broker_stop(f->broker);
        close_fd(f->go[0]);
}

static bool readable(int fd, int timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, timeout_ms) == 1;
}

/* Has it end, and waits until that has arrived. */
static void go(Fixture *f) {
        int fd = doorward_get_event_fd(f->conn);

        assert_false(readable(fd, 0));
        assert_int_equal(write(f->go[1], "", 1), 1);
        assert_true(readable(fd, FAKE_TIMEOUT_MS));
}

static void freed(void *userdata) {
        told.n_freed++;
        told.freed = userdata;
        if (told.inside)
                told.freed_inside++;
}

static void closed(doorward_conn *conn, int reason, void *userdata) {
        told.inside = true;
        told.n++;
        told.conn = conn;
        told.reason = reason;
        told.userdata = userdata;

        /* All of it can be used in here. */
        assert_int_equal(doorward_is_alive(conn), 0);
        assert_int_equal(doorward_process(conn), 1);
        assert_int_equal(doorward_get_close_reason(conn), reason);
        if (told.replaces)
                assert_int_equal(doorward_set_close_callback(conn, closed, two, freed), 0);
        if (told.closes)
                assert_int_equal(doorward_close(conn), 1);
        if (told.fails)
                assert_int_equal(doorward_close(NULL), -1);
        told.inside = false;
}

static void check_told(int n, const Fixture *f, int reason, void *userdata) {
        assert_int_equal(told.n, n);
        assert_ptr_equal(told.conn, f->conn);
        assert_int_equal(told.reason, reason);
        assert_ptr_equal(told.userdata, userdata);
}

static void test_callback(void **state) {
        Fixture f;

        start(&f, ENDED("revoked"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        assert_int_equal(doorward_process(f.conn), 0);
        assert_int_equal(doorward_is_alive(f.conn), 1);
        assert_int_equal(doorward_get_close_reason(f.conn), DOORWARD_CLOSE_NONE);
        assert_int_equal(told.n, 0);

        told.fails = true;
        go(&f);
        assert_int_equal(doorward_get_close_reason(f.conn), DOORWARD_CLOSE_NONE);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, DOORWARD_CLOSE_REVOKED, one);
        /* What failed in the callback is not what was called here. */
        assert_null(doorward_get_last_error());
        assert_int_equal(doorward_get_close_reason(f.conn), DOORWARD_CLOSE_REVOKED);

        /* Once is enough. */
        assert_int_equal(doorward_process(f.conn), 1);
        assert_int_equal(doorward_is_alive(f.conn), 0);
        assert_int_equal(told.n, 1);
        assert_true(readable(doorward_get_event_fd(f.conn), 0));

        assert_int_equal(told.n_freed, 0);
        stop(&f);
        assert_int_equal(told.n_freed, 1);
        assert_ptr_equal(told.freed, one);
}

static void check_reason(const char *last, int reason) {
        Fixture f;

        start(&f, last);
        memset(&told, 0, sizeof(told));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, NULL), 0);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, reason, one);
        assert_null(doorward_get_last_error());
        assert_true(readable(doorward_get_event_fd(f.conn), 0));
        stop(&f);
}

static void test_reasons(void **state) {
        static const char *const lasts[] = {
                ENDED("client"),  ENDED("peer"),     ENDED("backend"), ENDED("expired"),
                ENDED("revoked"), ENDED("logout"),   ENDED("policy"),  ENDED("definition"),
                ENDED("restart"), ENDED("shutdown"),
        };

        for (size_t i = 0; i < ELEMENTSOF(lasts); i++)
                check_reason(lasts[i], DOORWARD_CLOSE_CLIENT + (int)i);

        check_reason(NULL, DOORWARD_CLOSE_BROKER);
        check_reason("nonsense", DOORWARD_CLOSE_BROKER);
        check_reason("{}", DOORWARD_CLOSE_BROKER);
        check_reason(GRANT_HELD, DOORWARD_CLOSE_BROKER);
        check_reason("{\"error\":\"org.doorward.Broker.TimedOut\"}", DOORWARD_CLOSE_BROKER);
        check_reason(ENDED("weather"), DOORWARD_CLOSE_OTHER);
        check_reason(ENDED("broker"), DOORWARD_CLOSE_OTHER);
        check_reason("{\"parameters\":{\"state\":\"ended\",\"requestId\":\"r\"}}",
                     DOORWARD_CLOSE_OTHER);
}

static void test_words(void **state) {
        for (int i = DOORWARD_CLOSE_CLIENT; i <= DOORWARD_CLOSE_SHUTDOWN; i++)
                assert_string_equal(doorward_close_reason_to_string(i),
                                    end_reason_to_string((EndReason)i));
        assert_string_equal(doorward_close_reason_to_string(DOORWARD_CLOSE_NONE), "none");
        assert_string_equal(doorward_close_reason_to_string(DOORWARD_CLOSE_BROKER), "broker");
        assert_string_equal(doorward_close_reason_to_string(DOORWARD_CLOSE_OTHER), "other");
        assert_string_equal(doorward_close_reason_to_string(DOORWARD_CLOSE_TRANSPORT), "transport");
        assert_string_equal(doorward_close_reason_to_string(DOORWARD_CLOSE_TRANSPORT + 1),
                            "unknown");
        assert_string_equal(doorward_close_reason_to_string(-1), "unknown");
}

/* It may give back the program's only reference: nothing is left when the call returns. */
static void test_callback_closes(void **state) {
        Fixture f;

        start(&f, ENDED("shutdown"));
        told.closes = true;
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, DOORWARD_CLOSE_SHUTDOWN, one);
        assert_int_equal(told.n_freed, 1);
        assert_int_equal(told.freed_inside, 0);
        assert_null(doorward_get_last_error());
        f.conn = NULL;
        stop(&f);
}

static void test_callback_removed(void **state) {
        Fixture f;

        start(&f, ENDED("revoked"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        assert_int_equal(doorward_set_close_callback(f.conn, NULL, two, freed), 0);
        assert_int_equal(told.n_freed, 1);
        assert_ptr_equal(told.freed, one);
        /* There is none to remove. */
        assert_int_equal(doorward_set_close_callback(f.conn, NULL, NULL, NULL), 0);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        assert_int_equal(told.n, 0);
        stop(&f);
        assert_int_equal(told.n_freed, 1);
}

static void test_callback_replaced(void **state) {
        Fixture f;

        start(&f, ENDED("revoked"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        assert_int_equal(doorward_set_close_callback(f.conn, closed, two, freed), 0);
        assert_int_equal(told.n_freed, 1);
        assert_ptr_equal(told.freed, one);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, DOORWARD_CLOSE_REVOKED, two);
        stop(&f);
        assert_int_equal(told.n_freed, 2);
        assert_ptr_equal(told.freed, two);
}

/* What it was handed stays as long as it runs; and the new one has not been told. */
static void test_callback_replaces_itself(void **state) {
        Fixture f;

        start(&f, ENDED("revoked"));
        told.replaces = true;
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        told.replaces = false;
        check_told(1, &f, DOORWARD_CLOSE_REVOKED, one);
        assert_int_equal(told.n_freed, 1);
        assert_ptr_equal(told.freed, one);
        assert_int_equal(told.freed_inside, 0);

        assert_int_equal(doorward_process(f.conn), 1);
        check_told(2, &f, DOORWARD_CLOSE_REVOKED, two);
        assert_int_equal(doorward_process(f.conn), 1);
        assert_int_equal(told.n, 2);
        stop(&f);
        assert_int_equal(told.n_freed, 2);
}

/* Whoever else has noticed: the callback is for doorward_process(), and can come late. */
static void test_noticed_before(void **state) {
        Fixture f;
        int fd;

        start(&f, ENDED("expired"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        go(&f);
        assert_int_equal(doorward_is_alive(f.conn), 0);
        assert_int_equal(doorward_get_close_reason(f.conn), DOORWARD_CLOSE_EXPIRED);
        fd = doorward_get_event_fd(f.conn);
        assert_true(readable(fd, 0));
        assert_int_equal(told.n, 0);
        assert_int_equal(doorward_set_close_callback(f.conn, closed, two, freed), 0);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, DOORWARD_CLOSE_EXPIRED, two);
        stop(&f);
}

/* A program that never processes is never told. */
static void test_never_processed(void **state) {
        Fixture f;

        start(&f, ENDED("expired"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        stop(&f);
        assert_int_equal(told.n, 0);
        assert_int_equal(told.n_freed, 1);
}

/* The descriptor to wait on. */

static void test_event_fd(void **state) {
        Fixture f;
        int fd;

        start(&f, ENDED("revoked"));
        fd = doorward_get_event_fd(f.conn);
        assert_true(fd > 2);
        assert_int_not_equal(fd, doorward_get_fd(f.conn));
        assert_int_equal(doorward_get_event_fd(f.conn), fd);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        stop(&f);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* Asked for when it is over: readable at once, if there still is one. */
static void test_event_fd_late(void **state) {
        Fixture f;

        start(&f, ENDED("revoked"));
        assert_int_equal(write(f.go[1], "", 1), 1);
        assert_true(readable(conn_get_control_fd(f.conn), FAKE_TIMEOUT_MS));
        assert_int_equal(doorward_is_alive(f.conn), 0);
        assert_true(readable(doorward_get_event_fd(f.conn), 0));
        assert_int_equal(doorward_process(f.conn), 1);
        stop(&f);

        start(&f, NULL);
        assert_int_equal(write(f.go[1], "", 1), 1);
        assert_true(readable(conn_get_control_fd(f.conn), FAKE_TIMEOUT_MS));
        assert_int_equal(doorward_is_alive(f.conn), 0);
        assert_int_equal(doorward_get_event_fd(f.conn), -1);
        check_error(DOORWARD_ERR_LEASE_ENDED, ECONNABORTED);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
        assert_int_equal(doorward_process(f.conn), 1);
        stop(&f);
}

/* The end can come in pieces, and looking in between does not lose any. */
static void script_pieces(FakeBroker *b) {
        static const char end[] = ENDED("logout");
        const int *go = b->data;
        char c;

        fake_accept(b);
        fake_expect(b, NULL);
        close_fd(fake_send_socket(b, GRANT));
        for (size_t i = 0; i < sizeof(end); i++)
                if (read(go[0], &c, 1) == 1)
                        fake_send_bytes(b, end + i, 1);
        fake_expect_hang_up(b);
}

static void test_pieces(void **state) {
        const size_t n = sizeof(ENDED("logout"));
        FakeBroker *broker;
        doorward_conn *conn;
        int go[2], fd;

        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        broker = fake_broker_start(script_pieces, go);
        conn = doorward_open("docker");
        assert_non_null(conn);
        fd = doorward_get_event_fd(conn);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(doorward_process(conn), 0);
                assert_int_equal(doorward_is_alive(conn), 1);
                assert_int_equal(write(go[1], "", 1), 1);
                assert_true(readable(fd, FAKE_TIMEOUT_MS));
        }
        assert_int_equal(doorward_process(conn), 1);
        assert_int_equal(doorward_get_close_reason(conn), DOORWARD_CLOSE_LOGOUT);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
        close_fd(go[0]);
        close_fd(go[1]);
}

/* A lease that is held can be granted and ended with the same read. */
static void script_at_once(FakeBroker *b) {
        static const char both[] = GRANT_HELD "\0" ENDED("definition");

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_bytes(b, both, sizeof(both));
        fake_expect_hang_up(b);
}

static void test_at_once(void **state) {
        FakeBroker *broker = fake_broker_start(script_at_once, NULL);
        doorward_conn *conn = doorward_open_auth("docker", NULL, DOORWARD_HOLD);

        assert_non_null(conn);
        assert_int_equal(doorward_set_close_callback(conn, closed, one, freed), 0);
        assert_true(readable(conn_get_control_fd(conn), 0));
        assert_true(readable(doorward_get_event_fd(conn), 0));
        assert_int_equal(doorward_process(conn), 1);
        assert_int_equal(told.reason, DOORWARD_CLOSE_DEFINITION);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

/* Without a lease. */

/* What is handed over: fds[0], unless there is one already. */
typedef struct Hand {
        int fds[2];
} Hand;

static void script_none(FakeBroker *b) {
        const Hand *hand = b->data;

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_fds(b, GRANT_NONE, &hand->fds[0], 1);
        fake_expect_hang_up(b);
}

static doorward_conn *open_none(Hand *hand) {
        FakeBroker *broker = fake_broker_start(script_none, hand);
        doorward_conn *conn = doorward_open("docker");

        assert_non_null(conn);
        fake_broker_stop(broker);
        return conn;
}

static void test_none(void **state) {
        Hand hand;
        doorward_conn *conn;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hand.fds), 0);
        conn = open_none(&hand);
        assert_int_equal(doorward_is_alive(conn), 1);
        assert_int_equal(doorward_process(conn), 0);
        assert_int_equal(doorward_get_close_reason(conn), DOORWARD_CLOSE_NONE);
        assert_int_equal(doorward_get_event_fd(conn), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EOPNOTSUPP);
        assert_int_equal(doorward_set_close_callback(conn, closed, one, freed), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EOPNOTSUPP);
        assert_int_equal(told.n_freed, 0);
        assert_int_equal(doorward_set_close_callback(conn, NULL, one, freed), 0);

        /* It is the descriptor that is looked at. */
        assert_int_equal(write(hand.fds[1], "x", 1), 1);
        assert_int_equal(doorward_is_alive(conn), 1);
        close_fd(hand.fds[1]);
        assert_int_equal(doorward_is_alive(conn), 0);
        close_fd(doorward_steal_fd(conn));
        assert_int_equal(doorward_is_alive(conn), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EBADF);
        assert_int_equal(doorward_close(conn), 0);
}

/* Who writes into a FIFO comes and goes; a file or a simple device is always there. */
static void test_none_others(void **state) {
        static const char *const paths[] = {"/proc/self/exe", "/dev/zero", "/dev/null"};
        doorward_conn *conn;
        Hand hand;

        assert_int_equal(pipe2(hand.fds, O_CLOEXEC), 0);
        conn = open_none(&hand);
        close_fd(hand.fds[1]);
        assert_int_equal(doorward_is_alive(conn), 1);
        assert_int_equal(doorward_close(conn), 0);

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                hand.fds[0] = open(paths[i], O_RDONLY | O_CLOEXEC);
                conn = open_none(&hand);
                assert_int_equal(doorward_is_alive(conn), 1);
                assert_int_equal(doorward_close(conn), 0);
        }
}

static void test_no_connection(void **state) {
        assert_int_equal(doorward_is_alive(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_process(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_get_event_fd(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_get_close_reason(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_set_close_callback(NULL, closed, one, freed), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_set_close_callback(NULL, NULL, NULL, NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(told.n_freed, 0);
}

/* Threads and processes. */

static void *hammer(void *userdata) {
        doorward_conn *conn = userdata;
        int r, fd = doorward_get_event_fd(conn);

        do {
                if (doorward_is_alive(conn) < 0 || doorward_get_event_fd(conn) != fd ||
                    doorward_get_close_reason(conn) < 0)
                        return (void *)"it failed";
                r = doorward_process(conn);
        } while (r == 0);

        return r == 1 ? NULL : (void *)"it failed at the end";
}

static void counted(doorward_conn *conn, int reason, void *userdata) {
        (void)__atomic_add_fetch(&told.n, 1, __ATOMIC_RELAXED);
}

static void test_threads(void **state) {
        pthread_t threads[4];
        void *problem;
        Fixture f;

        start(&f, ENDED("policy"));
        assert_int_equal(doorward_set_close_callback(f.conn, counted, one, freed), 0);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, hammer, f.conn), 0);
        assert_int_equal(write(f.go[1], "", 1), 1);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &problem), 0);
                assert_null(problem);
        }
        assert_int_equal(told.n, 1);
        stop(&f);
}

static int child_of(doorward_conn *conn) {
        if (doorward_is_alive(conn) != -1 || errno != ECHILD)
                return 1;
        if (doorward_process(conn) != -1 || errno != ECHILD)
                return 2;
        if (doorward_get_event_fd(conn) != -1 || errno != ECHILD)
                return 3;
        if (doorward_get_close_reason(conn) != -1 || errno != ECHILD)
                return 4;
        if (doorward_set_close_callback(conn, NULL, NULL, NULL) != -1 || errno != ECHILD)
                return 5;
        if (doorward_get_grant_info(conn) || errno != ECHILD)
                return 6;
        /* What the program gave us is its own affair there. */
        if (doorward_close(conn) != 0 || told.n_freed > 0)
                return 7;

        return 0;
}

static void test_child(void **state) {
        Fixture f;
        int status;
        pid_t pid;

        start(&f, ENDED("revoked"));
        assert_int_equal(doorward_set_close_callback(f.conn, closed, one, freed), 0);
        assert_true(doorward_get_event_fd(f.conn) > 2);
        pid = fork();
        if (pid == 0)
                _exit(child_of(f.conn));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);

        /* The child's close was none of ours. */
        assert_int_equal(doorward_is_alive(f.conn), 1);
        go(&f);
        assert_int_equal(doorward_process(f.conn), 1);
        check_told(1, &f, DOORWARD_CLOSE_REVOKED, one);
        stop(&f);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_callback),
                TEST(test_reasons),
                TEST(test_words),
                TEST(test_callback_closes),
                TEST(test_callback_removed),
                TEST(test_callback_replaced),
                TEST(test_callback_replaces_itself),
                TEST(test_noticed_before),
                TEST(test_never_processed),
                TEST(test_event_fd),
                TEST(test_event_fd_late),
                TEST(test_pieces),
                TEST(test_at_once),
                TEST(test_none),
                TEST(test_none_others),
                TEST(test_no_connection),
                TEST(test_threads),
                TEST(test_child),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
