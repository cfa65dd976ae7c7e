/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The library is a guest in somebody's process. Nothing of it is to be seen there: no child, no
 * signal, no handler, no descriptor without close-on-exec at any moment; whatever the others do.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/doorward.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"
#include "tests/support/traced.h"

#define STATE(state) "{\"parameters\":{\"state\":\"" state "\",\"requestId\":\"r\","
#define GRANT                                                             \
        STATE("granted")                                                  \
        "\"connection\":0,\"access\":\"read_only\",\"mode\":\"tracked\"," \
        "\"lease\":\"l\"}"
#define LEASE GRANT ",\"continues\":true}"
#define CONVERSATION STATE("conversation") "\"conversation\":0},\"continues\":true}"
#define ENDED STATE("ended") "\"reason\":\"revoked\"}}"
#define NEED_AGENT                                                              \
        "{\"error\":\"org.doorward.Broker.InteractiveAuthenticationRequired\"," \
        "\"parameters\":{\"action\":\"a.b\",\"hint\":\"h\",\"requestId\":\"r\"}}"

#define FAILED                                                     \
        "{\"error\":\"org.doorward.Broker.AuthenticationFailed\"," \
        "\"parameters\":{\"action\":\"a.b\",\"requestId\":\"r\"}}"

static int answered[2] = {-EBADF, -EBADF}; /* a pipe, from the program to the broker */

/* The broker's side. */

static void send_zero(FakeBroker *b, const char *reply) {
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        fake_send_fds(b, reply, &fd, 1);
}

static void take_call(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
}

/* An agent is asked, which has the program asked; and then it is no. */
static void serve_agent(FakeBroker *b) {
        char c;

        take_call(b);
        fake_send(b, NEED_AGENT);
        take_call(b);
        if (read(answered[0], &c, 1) != 1)
                fake_fail(b, "nobody was asked");
        fake_send(b, FAILED);
        fake_expect_hang_up(b);
}

static void serve_grant(FakeBroker *b) {
        int conversation, lease, another;

        take_call(b);
        conversation = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, conversation, "secret");
        send_zero(b, LEASE);
        lease = fake_put_aside(b);

        take_call(b);
        send_zero(b, GRANT "}");
        another = fake_put_aside(b);
        take_call(b);
        fake_send(b, "{\"parameters\":{\"version\":\"1.2.3\"}}");
        /* It has hung up on what was kept, and the next call notices as it writes. */
        close_fd(another);
        take_call(b);
        send_zero(b, GRANT "}");

        fake_take_up_consume_fd(b, lease);
        fake_send(b, ENDED);
        fake_expect_hang_up(b);
}

/* Hangs up before it reads, in the middle of a conversation, and before it answers. */
static void serve_dead(FakeBroker *b) {
        fake_accept(b);
        fake_close(b);
        take_call(b);
        close_fd(fake_begin_conversation(b, CONVERSATION, "Password: "));
        fake_close(b);
        take_call(b);
        fake_close(b);
}

static void script_session(FakeBroker *b) {
        serve_agent(b);
        serve_grant(b);
        serve_dead(b);
}

/* The program's side, in a process of its own. */

#define CHECK(x)                                                                \
        do {                                                                    \
                if (!(x)) {                                                     \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
                        _exit(EXIT_FAILURE);                                    \
                }                                                               \
        } while (false)

static bool has_no_child(void) {
        return waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD;
}

static int answer(doorward_credential *cred, unsigned ncred, void *cbdata) {
        ++*(unsigned *)cbdata;
        CHECK(has_no_child());
        if (cred->type == DOORWARD_CRED_AUTHNAME)
                CHECK(write(answered[1], "", 1) == 1);
        cred->result = strdup(cred->type == DOORWARD_CRED_AUTHNAME ? "dave" : "secret");
        return cred->result ? 0 : -1;
}

static void use_agent(const doorward_auth *auth) {
        CHECK(!doorward_open_auth("docker", auth, DOORWARD_RO));
        CHECK(has_no_child());
        CHECK(doorward_get_last_error_code() == DOORWARD_ERR_AUTH_FAILED);
}

/* As a program with a loop does it. */
static doorward_conn *open_stepwise(const char *uri, const doorward_auth *auth) {
        doorward_opening *opening = doorward_open_start(uri, auth, DOORWARD_RO);
        struct pollfd p = {.fd = doorward_open_get_event_fd(opening), .events = POLLIN};
        doorward_conn *conn;

        while (doorward_open_process(opening) > 0) {
                CHECK(has_no_child());
                (void)poll(&p, 1, 10);
        }
        conn = doorward_open_finish(opening);
        doorward_open_free(opening);
        return conn;
}

static void use_grant(const doorward_auth *auth) {
        doorward_conn *conn = open_stepwise("doorward://bob@/docker", auth);
        doorward_host_info *info;
        unsigned long version;

        CHECK(conn);
        CHECK(close_fd(doorward_open_another(conn)) == -EBADF && !doorward_get_last_error());
        CHECK(doorward_get_version(conn, &version) == 0 && version == 1002003);
        CHECK(close_fd(doorward_open_another(conn)) == -EBADF && !doorward_get_last_error());
        info = doorward_get_host_info(conn);
        CHECK(info);
        doorward_host_info_free(info);
        CHECK(doorward_get_event_fd(conn) >= 0);
        while (doorward_process(conn) == 0)
                ;
        CHECK(doorward_get_close_reason(conn) == DOORWARD_CLOSE_REVOKED);
        CHECK(doorward_close(conn) == 0);
}

static void use_dead(const doorward_auth *auth) {
        for (int i = 0; i < 3; i++) {
                CHECK(!doorward_open_auth(i == 1 ? "doorward://bob@/docker" : "docker", auth,
                                          DOORWARD_RO));
                CHECK(doorward_get_last_error_code() == DOORWARD_ERR_NO_BROKER);
        }
}

typedef struct Signals {
        struct sigaction actions[NSIG];
        sigset_t mask;
} Signals;

static void signals_get(Signals *signals) {
        sigset_t pending;

        memset(signals, 0, sizeof(*signals));
        for (int i = 1; i < NSIG; i++)
                (void)sigaction(i, NULL, &signals->actions[i]);
        (void)pthread_sigmask(SIG_BLOCK, NULL, &signals->mask);
        CHECK(sigpending(&pending) == 0 && sigisemptyset(&pending));
}

static void signals_compare(const Signals *before, const Signals *after) {
        for (int i = 1; i < NSIG; i++) {
                CHECK(before->actions[i].sa_handler == after->actions[i].sa_handler);
                CHECK(before->actions[i].sa_flags == after->actions[i].sa_flags);
                CHECK(sigismember(&before->mask, i) == sigismember(&after->mask, i));
        }
}

static void on_signal(int number) {
        CHECK(number == 0);
}

static int run_session(void) {
        static const int types[] = {DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE};
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NOCLDSTOP};
        unsigned n_asked = 0;
        const doorward_auth auth = {types, 2, answer, &n_asked};
        Signals before, after;
        sigset_t mask;
        int n_fds;

        /* As it is in no program that did not choose it. */
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGUSR1);
        CHECK(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
        CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
        CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
        signals_get(&before);
        n_fds = fds_count();

        traced_mark();
        use_agent(&auth);
        use_grant(&auth);
        use_dead(&auth);
        traced_mark();

        CHECK(n_asked >= 2);
        CHECK(has_no_child());
        CHECK(fds_count() == n_fds);
        signals_get(&after);
        signals_compare(&before, &after);
        return EXIT_SUCCESS;
}

static void test_unseen(void **state) {
        FakeBroker *broker = fake_broker_listen(script_session, NULL);
        char path[sizeof(broker->path)];
        Traced traced;
        int r;

        /* Its name is what tests/support/scripted-agent.c goes by. */
        memcpy(path, broker->path, sizeof(path));
        (void)snprintf(broker->path, sizeof(broker->path), "%s/three", broker->folder);
        assert_int_equal(rename(path, broker->path), 0);
        assert_int_equal(setenv("DOORWARD_SOCKET", broker->path, 1), 0);

        assert_int_equal(pipe2(answered, O_CLOEXEC), 0);
        r = traced_start(&traced, run_session);
        if (r == -EPERM)
                skip();
        assert_int_equal(r, 0);

        close_fd(answered[1]);
        fake_broker_go(broker);
        traced_run(&traced);
        assert_string_equal(traced.problem, "");
        assert_true(WIFEXITED(traced.status));
        assert_int_equal(WEXITSTATUS(traced.status), EXIT_SUCCESS);
        assert_int_equal(traced.n_signals, 0);
        /* Else it would be the tracing that has stopped working. */
        assert_true(traced.n_made > 30);
        assert_false(traced.is_marked);
        fake_broker_stop(broker);
        close_fd(answered[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unseen),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
