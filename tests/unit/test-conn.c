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
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/conn.h"
#include "config.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define OPEN_CALL(access, rest)                                                             \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"" access "\"" rest "}"
#define GRANT(access, mode, rest)                                                            \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"" access "\"," \
        "\"mode\":\"" mode "\",\"requestId\":\"r1\"" rest "}"
#define LEASE ",\"lease\":\"l1\",\"kept\":true,\"expires\":1700000000000000"
#define ENDED(reason) \
        "{\"parameters\":{\"state\":\"ended\",\"reason\":\"" reason "\",\"requestId\":\"r1\"}}"
#define MORE ",\"more\":true}"
#define CONTINUES ",\"continues\":true}"

/* What is handed over, and whose other end the test keeps. */
typedef struct Hand {
        const char *call; /* that is expected */
        const char *reply;
        const char *path; /* to open; NULL: a socket of this type */
        int flags;
        int type;
        const char *later; /* sent once the test wrote a byte to go[1] */
        int other;
        int go[2];
} Hand;

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

/* Nothing is left behind by any test. */
static int teardown(void **state) {
        doorward_reset_last_error();
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void hand_over(FakeBroker *b, Hand *hand) {
        int fds[2];

        if (hand->path)
                fds[0] = open(hand->path, hand->flags | O_CLOEXEC);
        else if (socketpair(AF_UNIX, hand->type | SOCK_CLOEXEC, 0, fds) == 0)
                hand->other = fds[1];
        else
                fds[0] = -EBADF;

        if (fds[0] < 0)
                fake_fail(b, "nothing to hand over: %s", strerror(errno));
        else
                fake_send_fds(b, hand->reply, fds, 1);
}

static void script_hand(FakeBroker *b) {
        Hand *hand = (Hand *)b->data;
        char c;

        fake_accept(b);
        fake_expect(b, hand->call);
        hand_over(b, hand);
        if (hand->later) {
                if (read(hand->go[0], &c, 1) == 1)
                        fake_send(b, hand->later);
        }
        fake_expect_hang_up(b);
}

static FakeBroker *start(Hand *hand) {
        hand->other = -EBADF;
        assert_int_equal(pipe2(hand->go, O_CLOEXEC), 0);
        return fake_broker_start(script_hand, hand);
}

static void stop(FakeBroker *broker, Hand *hand) {
        fake_broker_stop(broker);
        close_fd(hand->other);
        close_fd(hand->go[0]);
        close_fd(hand->go[1]);
}

static void go(Hand *hand) {
        assert_int_equal(write(hand->go[1], "", 1), 1);
}

static void check_error(doorward_error_code code, int errnum) {
        const doorward_error *error = doorward_get_last_error();

        assert_non_null(error);
        if (error->code != (int)code || error->errnum != errnum)
                fail_msg("%s, %d: %s", doorward_error_code_to_string(error->code), error->errnum,
                         error->message);
        assert_true(strlen(error->message) > 0);
}

/* Opening and closing. */

static void test_open(void **state) {
        Hand hand = {
                .call = OPEN_CALL("full", "") MORE,
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn;
        char *uri, c;
        int fd;

        conn = doorward_open("docker");
        assert_non_null(conn);
        assert_null(doorward_get_last_error());

        fd = doorward_get_fd(conn);
        assert_true(fd > 2);
        assert_int_equal(doorward_get_fd(conn), fd);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(read(hand.other, &c, 1), 1);
        assert_int_equal(c, 'x');

        uri = doorward_get_uri(conn);
        assert_string_equal(uri, "doorward:///docker?access=full");
        free(uri);
        assert_string_equal(doorward_get_type(conn), "stream");

        assert_int_equal(conn->mode, LEASE_MODE_REVOCABLE);
        assert_string_equal(conn->lease.id, "l1");
        assert_true(conn->kept);
        assert_int_equal(conn->expires, 1700000000000000);
        assert_string_equal(conn->request_id, "r1");

        /* It cannot leave a lease that ends with a hang-up. */
        assert_int_equal(doorward_steal_fd(conn), -1);
        assert_int_equal(errno, EBUSY);
        check_error(DOORWARD_ERR_INVALID_CONN, EBUSY);

        /* A success forgets the error before it. */
        assert_int_equal(doorward_get_fd(conn), fd);
        assert_null(doorward_get_last_error());

        assert_int_equal(doorward_close(conn), 0);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        stop(broker, &hand);
}

static void test_open_read_only(void **state) {
        Hand hand = {
                .call = OPEN_CALL("read_only", "") MORE,
                .reply = GRANT("read_only", "tracked", ",\"lease\":\"l2\"") CONTINUES,
                .path = "/dev/zero",
                .flags = O_RDONLY,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn;
        char *uri;
        int fd;

        conn = doorward_open_read_only("doorward:///docker");
        assert_non_null(conn);
        uri = doorward_get_uri(conn);
        assert_string_equal(uri, "doorward:///docker?access=read-only");
        free(uri);
        assert_string_equal(doorward_get_type(conn), "device");
        assert_false(conn->kept);
        assert_int_equal(conn->expires, 0);

        fd = doorward_steal_fd(conn);
        assert_true(fd > 2);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);

        /* It is gone from there, and the lease goes on. */
        assert_int_equal(doorward_get_fd(conn), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EBADF);
        assert_int_equal(doorward_steal_fd(conn), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EBADF);
        assert_true(conn_get_control_fd(conn) > 2);

        assert_int_equal(doorward_close(conn), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close_fd(fd);
        stop(broker, &hand);
}

/* The URI's read-only is as good as the function's. */
static void test_open_as_the_uri_says(void **state) {
        Hand hand = {
                .call = OPEN_CALL("read_only", "") MORE,
                .reply = GRANT("read_only", "tracked", ",\"lease\":\"l2\"") CONTINUES,
                .type = SOCK_SEQPACKET,
        };
        FakeBroker *broker;
        doorward_conn *conn;

        broker = start(&hand);
        conn = doorward_open("doorward:///docker?access=read-only");
        assert_non_null(conn);
        assert_string_equal(doorward_get_type(conn), "seqpacket");
        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);

        broker = start(&hand);
        conn = doorward_open_read_only("doorward:///docker?access=read-only");
        assert_non_null(conn);
        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);

        /* A contradiction is asked of nobody. */
        assert_null(doorward_open_read_only("doorward:///docker?access=full"));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        assert_null(doorward_open("doorward:///docker?mode=ro"));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
}

/* Another broker is asked where the URI says that it is, whatever the environment says; and the
 * canonical form leads there again. */
static void test_another_broker(void **state) {
        Hand hand = {
                .call = OPEN_CALL("full", "") MORE,
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        char uri[256], canonical[256];
        doorward_conn *conn;
        char *text;

        (void)snprintf(uri, sizeof(uri), "doorward+unix:///docker?socket=%s", broker->path);
        (void)snprintf(canonical, sizeof(canonical),
                       "doorward+unix:///docker?access=full&socket=%s", broker->path);
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        assert_null(doorward_open("doorward:///docker"));
        check_error(DOORWARD_ERR_NO_BROKER, ENOENT);

        conn = doorward_open(uri);
        assert_non_null(conn);
        text = doorward_get_uri(conn);
        assert_string_equal(text, canonical);
        free(text);
        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);

        assert_null(doorward_open(canonical));
        check_error(DOORWARD_ERR_NO_BROKER, ENOENT);
        assert_non_null(strstr(doorward_get_last_error_message(), strchr(uri, '=') + 1));
        assert_non_null(strstr(doorward_get_last_error()->hint, "socket="));
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
}

/* Without anybody to ask there is nothing to ask the broker, either. */
static void test_another_user(void **state) {
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        assert_null(doorward_open("doorward://bob@/docker"));
        check_error(DOORWARD_ERR_AUTH_NEEDED, EACCES);
        assert_non_null(strstr(doorward_get_last_error_message(), "bob"));
        assert_non_null(doorward_get_last_error()->hint);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
        assert_null(doorward_open_read_only("doorward://@/docker"));
        check_error(DOORWARD_ERR_AUTH_NEEDED, EACCES);
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
}

/* Nothing is held: the connection has no wire, and closing it hangs up on nobody. */
static void test_no_lease(void **state) {
        static const doorward_auth nobody = {0};
        static const struct {
                const doorward_auth *auth;
                unsigned flags;
                const char *call;
        } cases[] = {
                {NULL, 0, OPEN_CALL("full", "") MORE},
                {NULL, DOORWARD_DETACHED, OPEN_CALL("full", ",\"detached\":true") MORE},
                {&nobody, DOORWARD_DETACHED,
                 OPEN_CALL("full", ",\"detached\":true,\"allowInteractiveAuthentication\":true")
                         MORE},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Hand hand = {
                        .call = cases[i].call,
                        .reply = GRANT("full", "none", "") "}",
                        .type = SOCK_STREAM,
                };
                FakeBroker *broker = start(&hand);
                doorward_error error = {};
                doorward_conn *conn;
                int fd, reason;

                conn = doorward_open_auth("docker", cases[i].auth, cases[i].flags);
                assert_non_null(conn);
                assert_int_equal(conn->mode, LEASE_MODE_NONE);
                assert_null(conn->lease.id);
                assert_int_equal(conn_get_control_fd(conn), -EBADF);
                assert_int_equal(conn_process(conn, &reason, &error), 0);
                fd = doorward_steal_fd(conn);
                assert_true(fd > 2);
                assert_int_equal(doorward_close(conn), 0);
                assert_int_equal(write(fd, "x", 1), 1);
                close_fd(fd);
                stop(broker, &hand);
        }
}

/* A lease without a descriptor. */
static void script_hold(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, OPEN_CALL("full", ",\"hold\":true") MORE);
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

#define HELD(mode, rest)                                                                        \
        "{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":\"" mode "\"" rest \
        ",\"requestId\":\"r1\"}"

static void check_no_fd(int r) {
        assert_int_equal(r, -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EBADF);
        assert_non_null(strstr(doorward_get_last_error()->hint, "doorward_open_another"));
}

static void test_hold(void **state) {
        static const char *const modes[] = {HELD("revocable", LEASE) CONTINUES,
                                            HELD("tracked", LEASE) CONTINUES};

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                FakeBroker *broker = fake_broker_start(script_hold, modes[i]);
                doorward_conn *conn = doorward_open_auth("docker", NULL, DOORWARD_HOLD);
                char *uri;

                assert_non_null(conn);
                check_no_fd(doorward_get_fd(conn));
                check_no_fd(doorward_steal_fd(conn));
                check_no_fd(doorward_get_type(conn) ? 0 : -1);
                uri = doorward_get_uri(conn);
                assert_string_equal(uri, "doorward:///docker?access=full");
                free(uri);
                assert_string_equal(conn->lease.id, "l1");
                assert_int_equal(doorward_is_alive(conn), 1);
                assert_int_equal(doorward_close(conn), 0);
                fake_broker_stop(broker);
        }
}

static void check_not_held(const char *reply, doorward_error_code code, int errnum) {
        FakeBroker *broker = fake_broker_start(script_hold, reply);

        assert_null(doorward_open_auth("docker", NULL, DOORWARD_HOLD));
        check_error(code, errnum);
        fake_broker_stop(broker);
}

static void test_nothing_to_hold(void **state) {
        check_not_held(HELD("none", "") "}", DOORWARD_ERR_PROTOCOL, EPROTO);
        check_not_held(HELD("none", LEASE) CONTINUES, DOORWARD_ERR_PROTOCOL, EPROTO);
        check_not_held(HELD("revocable", LEASE) "}", DOORWARD_ERR_PROTOCOL, EPROTO);
        check_not_held(HELD("revocable", "") CONTINUES, DOORWARD_ERR_PROTOCOL, EPROTO);
        check_not_held("{\"error\":\"org.doorward.Broker.AccessUnsupported\",\"parameters\":"
                       "{\"endpoint\":\"docker\",\"access\":\"full\",\"requestId\":\"r\"}}",
                       DOORWARD_ERR_ACCESS_UNSUPPORTED, EOPNOTSUPP);
}

/* What the flags and the URI make of the call. */

static int refuse(doorward_credential *cred, unsigned ncred, void *cbdata) {
        fail_msg("asked for %d: %s", cred->type, cred->prompt);
        return -1;
}

static const int passphrase[] = {DOORWARD_CRED_PASSPHRASE};
static const doorward_auth never_asked = {passphrase, 1, refuse, NULL};

#define INTERACTIVE ",\"allowInteractiveAuthentication\":true"

static void check_call(const char *uri, const doorward_auth *auth, unsigned flags, const char *call,
                       const char *access, const char *canonical) {
        Hand hand = {
                .call = call,
                .reply = streq(access, "full") ? GRANT("full", "revocable", LEASE) CONTINUES
                                               : GRANT("read_only", "tracked", LEASE) CONTINUES,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn;
        char *text;

        conn = doorward_open_auth(uri, auth, flags);
        assert_non_null(conn);
        text = doorward_get_uri(conn);
        assert_string_equal(text, canonical);
        free(text);
        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
}

static void test_open_auth(void **state) {
        const char *full = "doorward:///docker?access=full";

        check_call("docker", NULL, 0, OPEN_CALL("full", "") MORE, "full", full);
        check_call("docker", &never_asked, 0, OPEN_CALL("full", INTERACTIVE) MORE, "full", full);
        check_call("docker", &never_asked, DOORWARD_NO_INTERACTION, OPEN_CALL("full", "") MORE,
                   "full", full);
        check_call("docker", NULL, DOORWARD_NO_ALIASES | DOORWARD_LOCAL_ONLY,
                   OPEN_CALL("full", "") MORE, "full", full);
        check_call("docker", doorward_auth_default, DOORWARD_RO,
                   OPEN_CALL("read_only", INTERACTIVE) MORE, "read_only",
                   "doorward:///docker?access=read-only");
        check_call("doorward:///docker?access=read-only", NULL, DOORWARD_FALLBACK_RO,
                   OPEN_CALL("read_only", "") MORE, "read_only",
                   "doorward:///docker?access=read-only");
        check_call("docker", NULL, DOORWARD_FALLBACK_RO, OPEN_CALL("full", "") MORE, "full", full);
}

static void test_open_as_another(void **state) {
        check_call("doorward://bob@/docker", &never_asked, 0,
                   OPEN_CALL("full", ",\"user\":\"bob\"" INTERACTIVE) MORE, "full",
                   "doorward://bob@/docker?access=full");
        check_call("doorward://@/docker", &never_asked, DOORWARD_RO,
                   OPEN_CALL("read_only", ",\"user\":\"\"" INTERACTIVE) MORE, "read_only",
                   "doorward://@/docker?access=read-only");
}

static void check_argument(const doorward_auth *auth, unsigned flags, const char *text) {
        assert_null(doorward_open_auth("docker", auth, flags));
        check_error(DOORWARD_ERR_INVALID_ARG, EINVAL);
        if (!strstr(doorward_get_last_error_message(), text))
                fail_msg("%s", doorward_get_last_error_message());
}

static void test_arguments(void **state) {
        doorward_auth no_callback = {passphrase, 1, NULL, NULL};
        doorward_auth no_list = {NULL, 1, refuse, NULL};

        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        check_argument(NULL, 128, "0x80");
        check_argument(&never_asked, UINT32_MAX, "0xffffff80");
        check_argument(NULL, DOORWARD_HOLD | DOORWARD_DETACHED, "no lease to hold");
        check_argument(&no_callback, 0, "no callback");
        check_argument(&no_list, 0, "no list");
        /* Even where it would not be used. */
        check_argument(&no_list, DOORWARD_NO_INTERACTION, "no list");

        assert_null(doorward_open_auth("doorward:///docker?access=full", NULL, DOORWARD_RO));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        assert_null(doorward_open_auth("doorward://bob@/docker", NULL, 0));
        check_error(DOORWARD_ERR_AUTH_NEEDED, EACCES);
        assert_null(doorward_open_auth("doorward://bob@/docker", &never_asked,
                                       DOORWARD_NO_INTERACTION | DOORWARD_FALLBACK_RO));
        check_error(DOORWARD_ERR_AUTH_NEEDED, EACCES);
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
}

/* One access in place of the other. */

#define ERROR(name, rest)                                                                   \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"requestId\":\"" name \
        "\"" rest "}}"
#define UNSUPPORTED ERROR("AccessUnsupported", ",\"endpoint\":\"docker\",\"access\":\"full\"")
#define RO_GRANT GRANT("read_only", "tracked", LEASE) CONTINUES

typedef struct Fallback {
        const char *full;      /* the reply to the first call, */
        const char *read_only; /* and to the second; NULL: there is none */
        bool asks_nobody;      /* the second */
} Fallback;

static void script_fall_back(FakeBroker *b) {
        const Fallback *f = b->data;

        fake_accept(b);
        fake_expect(b, OPEN_CALL("full", INTERACTIVE) MORE);
        fake_send(b, f->full);
        fake_expect_hang_up(b);
        if (!f->read_only)
                return;

        fake_accept(b);
        fake_expect(b, f->asks_nobody ? OPEN_CALL("read_only", "") MORE
                                      : OPEN_CALL("read_only", INTERACTIVE) MORE);
        if (streq(f->read_only, RO_GRANT)) {
                int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

                fake_send_fds(b, f->read_only, &fd, 1);
        } else
                fake_send(b, f->read_only);
        fake_expect_hang_up(b);
}

static doorward_conn *fall_back(const Fallback *f, const char *uri) {
        FakeBroker *broker = fake_broker_start(script_fall_back, f);
        doorward_conn *conn = doorward_open_auth(uri, &never_asked, DOORWARD_FALLBACK_RO);
        char *text;

        if (conn) {
                assert_null(doorward_get_last_error());
                text = doorward_get_uri(conn);
                assert_string_equal(text, "doorward:///docker?access=read-only");
                free(text);
                assert_int_equal(doorward_close(conn), 0);
        }
        fake_broker_stop(broker);
        return conn;
}

static void check_falls_back(const char *full, bool asks_nobody) {
        Fallback f = {full, RO_GRANT, asks_nobody};

        assert_non_null(fall_back(&f, "docker"));
}

static void check_stays(const char *full, const char *read_only, doorward_error_code code,
                        const char *request) {
        Fallback f = {full, read_only, false};

        assert_null(fall_back(&f, "docker"));
        assert_int_equal(doorward_get_last_error_code(), code);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
        assert_string_equal(doorward_get_last_error()->request_id, request);
}

static void test_fall_back(void **state) {
        static const Fallback denied = {ERROR("PermissionDenied", ""), NULL, false};

        check_falls_back(denied.full, false);
        check_falls_back(UNSUPPORTED, false);
        check_falls_back(ERROR("AuthenticationFailed", ""), false);
        check_falls_back(ERROR("AuthenticationUnavailable", ""), false);
        check_falls_back(ERROR("AuthenticationCancelled", ""), true);

        /* Where both are refused, it is the first that matters. */
        check_stays(denied.full, ERROR("AuthenticationFailed", ""), DOORWARD_ERR_DENIED,
                    "PermissionDenied");
        check_stays(denied.full, UNSUPPORTED, DOORWARD_ERR_DENIED, "PermissionDenied");
        check_stays(UNSUPPORTED, denied.full, DOORWARD_ERR_DENIED, "PermissionDenied");
        check_stays(denied.full, "nonsense", DOORWARD_ERR_DENIED, "PermissionDenied");

        /* What is wrong for another reason would be wrong again. */
        check_stays(ERROR("LimitExceeded", ",\"limit\":\"LeasesMax\""), NULL, DOORWARD_ERR_LIMIT,
                    "LimitExceeded");
        check_stays(ERROR("EndpointUnavailable", ",\"endpoint\":\"docker\",\"errno\":2"), NULL,
                    DOORWARD_ERR_ENDPOINT_DOWN, "EndpointUnavailable");
        check_stays(ERROR("PolicyUnavailable", ""), NULL, DOORWARD_ERR_POLICY_UNAVAILABLE,
                    "PolicyUnavailable");

        /* What the URI says is what is wanted. */
        assert_null(fall_back(&denied, "doorward:///docker?access=full"));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_DENIED);
}

/* References. */

static void *hammer(void *userdata) {
        doorward_conn *conn = userdata;
        int fd = doorward_get_fd(conn);

        for (int i = 0; i < 10000; i++)
                if (doorward_ref(conn) != 0 || doorward_get_fd(conn) != fd ||
                    doorward_close(conn) != 1)
                        return (void *)"a count went wrong";

        return doorward_close(conn) == 1 ? NULL : (void *)"it was closed too soon";
}

static void test_references(void **state) {
        Hand hand = {
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        pthread_t threads[4];
        doorward_conn *conn;
        void *problem;

        conn = doorward_open("docker");
        assert_non_null(conn);
        assert_int_equal(doorward_ref(conn), 0);
        assert_int_equal(doorward_close(conn), 1);

        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(doorward_ref(conn), 0);
                assert_int_equal(pthread_create(&threads[i], NULL, hammer, conn), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &problem), 0);
                assert_null(problem);
        }

        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
}

static void *steal(void *userdata) {
        return (void *)(intptr_t)doorward_steal_fd(userdata);
}

/* A descriptor has one owner, however many ask at once. */
static void test_one_thief(void **state) {
        Hand hand = {
                .reply = GRANT("full", "none", "") "}",
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn = doorward_open("docker");
        pthread_t threads[4];
        int n = 0;
        void *fd;

        assert_non_null(conn);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, steal, conn), 0);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &fd), 0);
                if ((int)(intptr_t)fd >= 0 && ++n)
                        assert_int_equal(close((int)(intptr_t)fd), 0);
        }
        assert_int_equal(n, 1);
        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
}

static void test_no_connection(void **state) {
        unsigned long version = 7;

        assert_int_equal(doorward_ref(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_close(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_get_fd(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_steal_fd(NULL), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_null(doorward_get_uri(NULL));
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_null(doorward_get_type(NULL));
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(doorward_get_version(NULL, &version), -1);
        check_error(DOORWARD_ERR_INVALID_CONN, EINVAL);
        assert_int_equal(version, 7);
}

/* Grants that are not to be believed. */

static void check_refused(Hand *hand, Access access, unsigned flags, const char *text) {
        FakeBroker *broker = start(hand);
        doorward_error error = {};
        doorward_conn *conn = NULL;

        assert_int_equal(conn_open("docker", access, NULL, flags, &conn, &error), -EBADMSG);
        assert_null(conn);
        assert_int_equal(error.code, DOORWARD_ERR_PROTOCOL);
        if (!strstr(error.message, text))
                fail_msg("%s: %s", hand->reply, error.message);
        assert_string_equal(error.endpoint, "docker");
        doorward_error_clear(&error);
        stop(broker, hand);
}

static void test_hostile_grants(void **state) {
        static const struct {
                const char *reply;
                const char *message;
                unsigned flags;
        } cases[] = {
                {"{\"parameters\":{\"connection\":0,\"state\":\"granted\",\"access\":\"full\","
                 "\"mode\":\"tracked\"}}",
                 "cannot be read", 0},
                {"{\"parameters\":{\"connection\":0,\"requestId\":\"r\"}}", "cannot be read", 0},
                {"{\"parameters\":{\"connection\":0,\"state\":\"maybe\",\"requestId\":\"r\"}}",
                 "cannot be read", 0},
                {"{\"parameters\":{\"connection\":0,\"state\":7,\"requestId\":\"r\"}}",
                 "cannot be read", 0},
                {"{\"parameters\":{\"connection\":0,\"state\":\"granted\",\"access\":\"full\","
                 "\"requestId\":\"r\"}}",
                 "did not say", 0},
                {"{\"parameters\":{\"connection\":0,\"state\":\"granted\",\"mode\":\"none\","
                 "\"requestId\":\"r\"}}",
                 "another access", 0},
                {GRANT("full", "forever", LEASE) CONTINUES, "cannot be read", 0},
                {GRANT("all", "tracked", LEASE) CONTINUES, "cannot be read", 0},
                {GRANT("full", "tracked", ",\"lease\":7") CONTINUES, "cannot be read", 0},
                {GRANT("full", "tracked", ",\"expires\":\"x\"") CONTINUES, "cannot be read", 0},
                {GRANT("full", "tracked", ",\"kept\":1") CONTINUES, "cannot be read", 0},
                {GRANT("full", "tracked", ",\"lease\":\"l\",\"expires\":-1") CONTINUES,
                 "did not say", 0},
                /* A lease that would not end with this process. */
                {GRANT("full", "revocable", LEASE) "}", "has no end", 0},
                {GRANT("full", "tracked", LEASE) "}", "has no end", 0},
                {GRANT("full", "revocable", "") CONTINUES, "has no end", 0},
                /* What was to be without one. */
                {GRANT("full", "tracked", LEASE) "}", "nobody asked for", CONN_DETACHED},
                {GRANT("full", "tracked", LEASE) CONTINUES, "nobody asked for", CONN_DETACHED},
                {GRANT("full", "none", "") CONTINUES, "nobody asked for", CONN_DETACHED},
                /* What was not to be opened. */
                {GRANT("full", "revocable", LEASE) CONTINUES, "not to be opened", CONN_HOLD},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Hand hand = {.reply = cases[i].reply, .type = SOCK_STREAM};

                check_refused(&hand, ACCESS_FULL, cases[i].flags, cases[i].message);
        }
}

static void test_never_silently_full(void **state) {
        Hand swapped = {.reply = GRANT("full", "tracked", LEASE) CONTINUES, .type = SOCK_STREAM};
        Hand writable = {
                .reply = GRANT("read_only", "tracked", LEASE) CONTINUES,
                .path = "/dev/zero",
                .flags = O_RDWR,
        };
        Hand write_only = writable;

        check_refused(&swapped, ACCESS_READ_ONLY, 0, "another access");
        check_refused(&writable, ACCESS_READ_ONLY, 0, "can be written to");
        write_only.flags = O_WRONLY;
        check_refused(&write_only, ACCESS_READ_ONLY, 0, "can be written to");

        swapped.reply = GRANT("read_only", "tracked", LEASE) CONTINUES;
        check_refused(&swapped, ACCESS_FULL, 0, "another access");
}

static void test_no_endpoint_is_such(void **state) {
        Hand folder = {
                .reply = GRANT("full", "tracked", LEASE) CONTINUES,
                .path = "/",
                .flags = O_RDONLY | O_DIRECTORY,
        };
        Hand path = {
                .reply = GRANT("full", "tracked", LEASE) CONTINUES,
                .path = "/",
                .flags = O_PATH,
        };
        Hand datagrams = {.reply = GRANT("full", "tracked", LEASE) CONTINUES, .type = SOCK_DGRAM};

        check_refused(&folder, ACCESS_FULL, 0, "no endpoint");
        check_refused(&path, ACCESS_FULL, 0, "no endpoint");
        check_refused(&datagrams, ACCESS_FULL, 0, "no endpoint");
}

/* Answers without a descriptor: script and check for one reply. */
static void script_reply(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

static void check_reply(const char *reply, doorward_error_code code, int errnum, const char *text,
                        const char *request) {
        FakeBroker *broker = fake_broker_start(script_reply, reply);
        const doorward_error *error;

        assert_null(doorward_open("docker"));
        check_error(code, errnum);
        error = doorward_get_last_error();
        if (!strstr(error->message, text))
                fail_msg("%s: %s", reply, error->message);
        assert_string_equal(error->endpoint, "docker");
        if (request)
                assert_string_equal(error->request_id, request);
        fake_broker_stop(broker);
}

static void test_other_answers(void **state) {
        check_reply("{\"parameters\":{\"state\":\"granted\",\"access\":\"full\",\"mode\":\"none\","
                    "\"requestId\":\"r\"}}",
                    DOORWARD_ERR_PROTOCOL, EPROTO, "did not send it", NULL);
        check_reply("{}", DOORWARD_ERR_PROTOCOL, EPROTO, "cannot be read", NULL);
        check_reply(ENDED("policy"), DOORWARD_ERR_LEASE_ENDED, ECONNABORTED, "policy", "r1");
        check_reply("{\"parameters\":{\"state\":\"conversation\",\"requestId\":\"r2\"},"
                    "\"continues\":true}",
                    DOORWARD_ERR_PROTOCOL, EPROTO, "out of turn", NULL);
        check_reply("{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":"
                    "{\"action\":\"a.b\",\"hint\":\"h\",\"requestId\":\"r3\"}}",
                    DOORWARD_ERR_DENIED, EACCES, "does not allow", "r3");
}

/* A conversation's descriptor is closed, and nobody is asked anything. */
static void test_conversation(void **state) {
        Hand hand = {
                .reply = "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0,"
                         "\"requestId\":\"r2\"},\"continues\":true}",
                .type = SOCK_SEQPACKET,
        };
        FakeBroker *broker = start(&hand);
        char c;

        assert_null(doorward_open("docker"));
        check_error(DOORWARD_ERR_PROTOCOL, EPROTO);
        assert_int_equal(read(hand.other, &c, 1), 0);
        stop(broker, &hand);

        hand.reply =
                "{\"parameters\":{\"state\":\"granted\",\"conversation\":0,\"access\":\"full\","
                "\"mode\":\"none\",\"requestId\":\"r2\"}}";
        check_refused(&hand, ACCESS_FULL, 0, "cannot be read");
}

static void test_no_broker(void **state) {
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        errno = 0;
        assert_null(doorward_open("docker"));
        assert_int_equal(errno, ENOENT);
        check_error(DOORWARD_ERR_NO_BROKER, ENOENT);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
}

/* No URI. */

static void script_list(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":{},"
                       "\"more\":true}");
        for (const char *const *reply = b->data; *reply; reply++)
                fake_send(b, *reply);
        fake_expect_hang_up(b);
}

static void check_unnamed(const char *uri, const char *const *replies, const char *hint) {
        FakeBroker *broker = fake_broker_start(script_list, replies);

        assert_null(doorward_open(uri));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        if (!strstr(doorward_get_last_error()->hint, hint))
                fail_msg("%s", doorward_get_last_error()->hint);
        fake_broker_stop(broker);
}

#define LISTED(name, continues) \
        "{\"parameters\":{\"endpoint\":{\"name\":\"" name "\",\"x\":1}}" continues "}"

static void test_unnamed(void **state) {
        static const char *const three[] = {LISTED("docker", ",\"continues\":true"),
                                            LISTED("kvm", ",\"continues\":true"),
                                            LISTED("serial@", ""), NULL};
        static const char *const one[] = {LISTED("docker", ""), NULL};
        static const char *const none[] = {"{}", NULL};
        static const char *const null[] = {"{\"parameters\":{\"endpoint\":null}}", NULL};
        static const char *const refused[] = {
                "{\"error\":\"org.doorward.Broker.EndpointNotFound\",\"parameters\":"
                "{\"endpoint\":\"\",\"requestId\":\"r\"}}",
                NULL};
        static const char *const bad[] = {"{\"parameters\":{\"endpoint\":[]}}", NULL};
        static const char *const nameless[] = {"{\"parameters\":{\"endpoint\":{}}}", NULL};

        check_unnamed(NULL, three, "Name one of these: docker, kvm, serial@.");
        check_unnamed("", one, "Name one of these: docker.");
        check_unnamed(NULL, none, "No endpoint is defined on this machine.");
        check_unnamed(NULL, null, "No endpoint is defined on this machine.");
        check_unnamed(NULL, refused, "not known: There is no endpoint");
        check_unnamed(NULL, bad, "cannot be read");
        check_unnamed(NULL, nameless, "cannot be read");

        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        assert_null(doorward_open_read_only(NULL));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        assert_non_null(strstr(doorward_get_last_error()->hint, "/proc/nonexistent/broker"));
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
}

static void script_list_many(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        for (int i = 0; i < 500; i++)
                fake_send(b, LISTED("a-rather-long-name", ",\"continues\":true"));
        fake_send(b, LISTED("last", ""));
        fake_expect_hang_up(b);
}

/* More than a sentence holds. */
/* Each name comes soon, and never the last. */
static void script_list_for_ever(FakeBroker *b) {
        static const int pause_ms = 50;

        fake_accept(b);
        fake_expect(b, NULL);
        for (int i = 0; i < 5000 / pause_ms; i++) {
                struct pollfd p = {.fd = b->fd};

                if (poll(&p, 1, pause_ms) != 0)
                        return;
                fake_send(b, LISTED("docker", ",\"continues\":true"));
        }
        fake_fail(b, "it listens for ever");
}

static void test_unnamed_for_ever(void **state) {
        FakeBroker *broker = fake_broker_start(script_list_for_ever, NULL);

        assert_null(doorward_open(NULL));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        assert_non_null(strstr(doorward_get_last_error()->hint, "is not known"));
        fake_broker_stop(broker);
}

static void test_unnamed_among_many(void **state) {
        FakeBroker *broker = fake_broker_start(script_list_many, NULL);

        assert_null(doorward_open(NULL));
        check_error(DOORWARD_ERR_BAD_URI, EINVAL);
        assert_true(strlen(doorward_get_last_error()->hint) <= ERROR_TEXT_MAX);
        assert_non_null(strstr(doorward_get_last_error()->hint, "and more"));
        fake_broker_stop(broker);
}

/* Versions. */

typedef struct Version {
        const char *reply;
        unsigned long number;
} Version;

#define VERSION_REPLY(text) "{\"parameters\":{\"version\":\"" text "\",\"protocol\":1}}"

static const Version versions[] = {
        {VERSION_REPLY("0.1.0"), 1000},
        {VERSION_REPLY("1.2.3"), 1002003},
        {VERSION_REPLY("12.34.56~rc1"), 12034056},
        {VERSION_REPLY("1.2"), 1002000},
        {VERSION_REPLY("1.2-beta"), 1002000},
        {VERSION_REPLY("999.999.999"), 999999999},
        {VERSION_REPLY(""), 0},
        {VERSION_REPLY("1"), 0},
        {VERSION_REPLY("v1.2.3"), 0},
        {VERSION_REPLY("1."), 0},
        {VERSION_REPLY("1.x"), 0},
        {VERSION_REPLY("1.2."), 0},
        {VERSION_REPLY("1.2.x"), 0},
        {VERSION_REPLY("-1.2.3"), 0},
        {VERSION_REPLY("1000.0.0"), 0},
        {VERSION_REPLY("0.1000.0"), 0},
        {VERSION_REPLY("1.2.1000"), 0},
        {VERSION_REPLY(" 1.2.3"), 0},
        {VERSION_REPLY("1. 2.3"), 0},
        {VERSION_REPLY("+1.2.3"), 0},
};

static void script_versions(FakeBroker *b) {
        Hand hand = {.reply = GRANT("full", "none", "") "}", .type = SOCK_STREAM, .other = -EBADF};

        fake_accept(b);
        fake_expect(b, NULL);
        hand_over(b, &hand);
        close_fd(hand.other);

        for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
                fake_accept(b);
                fake_expect(b, "{\"method\":\"org.doorward.Broker.GetBrokerInfo\","
                               "\"parameters\":{}}");
                fake_send(b, versions[i].reply);
                fake_expect_hang_up(b);
        }

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, "{\"parameters\":{}}");
        fake_expect_hang_up(b);
}

static void test_version(void **state) {
        FakeBroker *broker = fake_broker_start(script_versions, NULL);
        doorward_conn *conn = doorward_open("docker");
        unsigned major, minor, micro;
        unsigned long version = 7;

        assert_non_null(conn);

        /* Where it was opened, whatever the environment says by now. */
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
                assert_int_equal(doorward_get_version(conn, &version), 0);
                if (version != versions[i].number)
                        fail_msg("%s: %lu", versions[i].reply, version);
        }

        version = 7;
        assert_int_equal(doorward_get_version(conn, &version), -1);
        check_error(DOORWARD_ERR_PROTOCOL, EPROTO);
        assert_int_equal(version, 7);
        assert_int_equal(doorward_get_version(conn, NULL), -1);
        check_error(DOORWARD_ERR_INVALID_ARG, EINVAL);
        fake_broker_stop(broker);

        assert_int_equal(doorward_get_version(conn, &version), -1);
        check_error(DOORWARD_ERR_NO_BROKER, ENOENT);
        assert_int_equal(doorward_close(conn), 0);

        assert_int_equal(sscanf(VERSION, "%u.%u.%u", &major, &minor, &micro), 3);
        assert_int_equal(doorward_version(), major * 1000000 + minor * 1000 + micro);
}

/* Forks. */

static int child_of(doorward_conn *conn) {
        unsigned long version = 7;

        if (doorward_get_fd(conn) != -1 || errno != ECHILD ||
            doorward_get_last_error_code() != DOORWARD_ERR_INVALID_CONN)
                return 1;
        if (doorward_ref(conn) != -1 || errno != ECHILD)
                return 2;
        if (doorward_steal_fd(conn) != -1 || errno != ECHILD)
                return 3;
        if (doorward_get_uri(conn) || errno != ECHILD)
                return 4;
        if (doorward_get_type(conn) || errno != ECHILD)
                return 5;
        if (doorward_get_version(conn, &version) != -1 || errno != ECHILD || version != 7)
                return 6;
        if (doorward_close(conn) != 0)
                return 7;

        return 0;
}

/* A child can do nothing with it but let go of it, which the parent does not notice. */
static void test_child(void **state) {
        Hand hand = {
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .later = ENDED("revoked"),
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn = doorward_open("docker");
        doorward_error error = {};
        int status, reason = 0;
        struct pollfd p;
        char c;
        pid_t pid;

        assert_non_null(conn);
        pid = fork();
        if (pid == 0)
                _exit(child_of(conn));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);

        /* The lease lives: the connection works, and the broker still talks to us. */
        assert_int_equal(write(doorward_get_fd(conn), "x", 1), 1);
        assert_int_equal(read(hand.other, &c, 1), 1);
        assert_int_equal(conn_process(conn, &reason, &error), 0);
        go(&hand);
        p = (struct pollfd){.fd = conn_get_control_fd(conn), .events = POLLIN};
        assert_int_equal(poll(&p, 1, FAKE_TIMEOUT_MS), 1);
        assert_int_equal(conn_process(conn, &reason, &error), 1);
        assert_int_equal(reason, END_REVOKED);

        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
}

/* The parent's close ends the lease, even while a child that knows nothing of it holds copies. */
static void test_parent_closes_first(void **state) {
        Hand hand = {
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn = doorward_open("docker");
        int hold[2], status;
        char c;
        pid_t pid;

        assert_non_null(conn);
        assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                close_fd(hold[1]);
                _exit((int)read(hold[0], &c, 1));
        }

        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
        close_fd(hold[0]);
        close_fd(hold[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* The end of a lease. */

static void check_end(const char *later, int expected, int reason_expected,
                      doorward_error_code code) {
        Hand hand = {
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .later = later,
                .type = SOCK_STREAM,
        };
        FakeBroker *broker = start(&hand);
        doorward_conn *conn = doorward_open("docker");
        doorward_error error = {};
        int reason = 77;
        struct pollfd p;

        assert_non_null(conn);
        assert_int_equal(conn_process(conn, &reason, &error), 0);
        assert_int_equal(reason, 77);

        go(&hand);
        p = (struct pollfd){.fd = conn_get_control_fd(conn), .events = POLLIN};
        assert_int_equal(poll(&p, 1, FAKE_TIMEOUT_MS), 1);
        assert_int_equal(conn_process(conn, &reason, &error), expected);
        assert_int_equal(reason, reason_expected);
        assert_int_equal(error.code, code);
        doorward_error_clear(&error);

        assert_int_equal(doorward_close(conn), 0);
        stop(broker, &hand);
}

static void test_end(void **state) {
        check_end(ENDED("revoked"), 1, END_REVOKED, DOORWARD_ERR_OK);
        check_end(ENDED("shutdown"), 1, END_SHUTDOWN, DOORWARD_ERR_OK);
        check_end(ENDED("weather"), 1, 0, DOORWARD_ERR_OK);
        check_end("{\"parameters\":{\"state\":\"ended\",\"requestId\":\"r\"}}", 1, 0,
                  DOORWARD_ERR_OK);
        check_end("{\"parameters\":{\"state\":\"granted\",\"requestId\":\"r\"},"
                  "\"continues\":true}",
                  -EBADMSG, 77, DOORWARD_ERR_PROTOCOL);
        check_end("{}", -EBADMSG, 77, DOORWARD_ERR_PROTOCOL);
        check_end("nonsense", -EBADMSG, 77, DOORWARD_ERR_PROTOCOL);
        check_end("{\"error\":\"org.doorward.Broker.TimedOut\"}", -EREMOTEIO, 77,
                  DOORWARD_ERR_TIMEOUT);
}

static void script_vanish(FakeBroker *b) {
        Hand *hand = (Hand *)b->data;
        char c;

        fake_accept(b);
        fake_expect(b, NULL);
        hand_over(b, hand);
        (void)!read(hand->go[0], &c, 1);
        fake_close(b);
}

/* A broker that was killed takes nothing from the connection itself. */
static void test_broker_vanishes(void **state) {
        Hand hand = {
                .reply = GRANT("full", "revocable", LEASE) CONTINUES,
                .type = SOCK_STREAM,
                .other = -EBADF,
        };
        doorward_error error = {};
        doorward_conn *conn;
        FakeBroker *broker;
        int reason = 77;

        assert_int_equal(pipe2(hand.go, O_CLOEXEC), 0);
        broker = fake_broker_start(script_vanish, &hand);
        conn = doorward_open("docker");
        assert_non_null(conn);
        go(&hand);
        fake_broker_stop(broker);

        assert_int_equal(conn_process(conn, &reason, &error), -ECONNRESET);
        assert_int_equal(error.code, DOORWARD_ERR_NO_BROKER);
        assert_int_equal(write(doorward_get_fd(conn), "x", 1), 1);
        assert_int_equal(doorward_close(conn), 0);

        doorward_error_clear(&error);
        close_fd(hand.other);
        close_fd(hand.go[0]);
        close_fd(hand.go[1]);
}

/* Kinds. */

static void check_kind(int fd, int kind) {
        assert_true(fd >= 0);
        assert_int_equal(conn_find_kind(fd), kind);
        close_fd(fd);
}

static void test_kinds(void **state) {
        int fds[2];

        check_kind(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), KIND_STREAM);
        check_kind(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), KIND_SEQPACKET);
        check_kind(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), -EMEDIUMTYPE);
        check_kind(open("/dev/zero", O_RDONLY | O_CLOEXEC), KIND_DEVICE);
        check_kind(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), KIND_FILE);
        check_kind(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EMEDIUMTYPE);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        check_kind(fds[0], KIND_FIFO);
        check_kind(fds[1], KIND_FIFO);
        assert_int_equal(conn_find_kind(-1), -EBADF);
        if (access("/dev/net/tun", R_OK) == 0)
                check_kind(open("/dev/net/tun", O_RDONLY | O_CLOEXEC), KIND_TAP);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_open),
                TEST(test_open_read_only),
                TEST(test_open_as_the_uri_says),
                TEST(test_another_broker),
                TEST(test_another_user),
                TEST(test_no_lease),
                TEST(test_hold),
                TEST(test_nothing_to_hold),
                TEST(test_open_auth),
                TEST(test_open_as_another),
                TEST(test_arguments),
                TEST(test_fall_back),
                TEST(test_references),
                TEST(test_one_thief),
                TEST(test_no_connection),
                TEST(test_hostile_grants),
                TEST(test_never_silently_full),
                TEST(test_no_endpoint_is_such),
                TEST(test_other_answers),
                TEST(test_conversation),
                TEST(test_no_broker),
                TEST(test_unnamed),
                TEST(test_unnamed_among_many),
                TEST(test_unnamed_for_ever),
                TEST(test_version),
                TEST(test_child),
                TEST(test_parent_closes_first),
                TEST(test_end),
                TEST(test_broker_vanishes),
                TEST(test_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
