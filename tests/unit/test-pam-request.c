/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole request: a child is the broker and its client at once, PAM has services of the test's
 * own, and users are those of a table. Polkit is not there. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"
#include "pam/request.h"
#include "tests/support/dialogue-client.h"
#include "tests/support/fds.h"
#include "tests/support/listener.h"
#include "tests/support/tree.h"
#include "tests/support/users.h"

#define SECOND UINT64_C(1000000)
/* Whom a client is where the test is root's: alice. */
#define ALICE_UID 1001

/* What the child exits with, beside what the client does. */
enum {
        CHILD_FAILED = 50,
        CHILD_NOT_BEGUN,
};

typedef struct Fixture {
        Tree tree;
        char path[TREE_PATH_SIZE];
        int listener;
        uid_t uid; /* a client's */
        RequestRules rules;
        PamReply verdict;
        bool begins; /* whether there is to be a dialogue */
        bool as_root;
} Fixture;

static void set_service(Fixture *f, const char *name, const char *auth, const char *account) {
        char text[2048];

        (void)snprintf(text, sizeof(text),
                       "auth required " PAM_MODULE " %s\naccount required " PAM_MODULE " %s\n",
                       auth, account);
        tree_file(&f->tree, name, text);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        tree_init(&f->tree);
        (void)tree_path(&f->tree, "broker", f->path);
        f->listener = listener_bind(SOCK_STREAM, f->path);
        if (f->listener < 0 || listen(f->listener, 1) < 0 || chmod(f->path, 0666) < 0 ||
            chmod(f->tree.path, 0755) < 0)
                return -1;

        f->uid = geteuid() == 0 ? ALICE_UID : getuid();
        f->begins = true;
        f->rules = (RequestRules){
                .caller = {.path = f->path, .own = PEER_UID_INVALID, .broker = 4243},
                .identity = users_rules,
                .confdir = f->tree.path,
                .bus = "unix:path=/proc/nonexistent",
                .patience_usec = 10 * SECOND,
        };
        set_service(f, "doorward", "password=right", "");
        set_service(f, "polkit-1", "password=admin", "");
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close_fd(f->listener);
        tree_deinit(&f->tree);
        free(f);
        return 0;
}

/* The child: connects as a client does, and waits as the broker for what the helper begins. */
static int connect_client(const Fixture *f) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        int n = socket_address(f->path, &address);

        if (geteuid() == 0 && !f->as_root && setresuid(f->uid, f->uid, f->uid) < 0)
                return -EBADF;
        /* Changing the user takes it away. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        return connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0 ? -EBADF : fd;
}

static int receive_begun(int broker, int *ret_fd) {
        SocketAncillary ancillary;
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply reply;
        ssize_t n = socket_receive(broker, buf, sizeof(buf), 1, &ancillary);

        if (n <= 0 || pam_reply_decode(buf, (size_t)n, &reply) < 0 ||
            reply.type != PAM_REPLY_BEGUN || ancillary.n_fds != 1)
                return CHILD_NOT_BEGUN;

        *ret_fd = ancillary.fds[0];
        return 0;
}

static int be_client(const Fixture *f, int broker, const ClientStep *script) {
        int client = connect_client(f), fd, r;
        char byte;

        if (client < 0)
                return CHILD_FAILED;
        r = receive_begun(broker, &fd);
        if (r == 0 && !f->begins)
                return CHILD_FAILED;
        if (r != 0)
                return f->begins ? r : 0;

        /* The helper holds no copy of the client's connection: nobody is there. */
        if (recv(client, &byte, 1, 0) != 0)
                return CHILD_FAILED;
        return client_follow_consume_fd(fd, script);
}

/* Serves one request of a broker's for the client of a child that follows the script. */
static void serve(Fixture *f, const PamRequest *request, const ClientStep *script) {
        int before = fds_count();
        Asker asker = {};
        int fds[2], client;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        pid = fork();
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close_fd(fds[0]);
                close_fd(f->listener);
                _exit(be_client(f, fds[1], script));
        }

        close_fd(fds[1]);
        client = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(client >= 0);
        asker.fd = fds[0];
        assert_int_equal(
                request_serve_consume_fd(&f->rules, &asker, request, client, &f->verdict), 0);
        close_fd(fds[0]);
        assert_int_equal(fds_count(), before);
        client_finish(pid);
}

static void check_proven(Fixture *f, uid_t uid, const char *name) {
        assert_string_equal(f->verdict.detail, "");
        assert_int_equal(f->verdict.code, VERDICT_PROVEN);
        assert_int_equal(f->verdict.uid, uid);
        assert_string_equal(f->verdict.name, name);
}

static void check_refused(Fixture *f, VerdictCode code, const char *detail) {
        assert_string_equal(f->verdict.detail, detail);
        assert_int_equal(f->verdict.code, code);
        assert_int_equal(f->verdict.uid, PAM_PROTOCOL_NO_UID);
}

static const ClientStep nothing[] = {{}};
static const ClientStep right[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"}, {}};
static const ClientStep wrong[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "wrong"}, {}};

static PamRequest identity(const char *name) {
        PamRequest request = {.use = PAM_USE_IDENTITY, .uid = PAM_PROTOCOL_NO_UID};

        (void)snprintf(request.user, sizeof(request.user), "%s", name);
        return request;
}

/* Of the client, in the table. */
static const char *my_name(const Fixture *f) {
        static Identity identity;

        assert_int_equal(identity_find_uid(&users_rules, f->uid, &identity), 0);
        return identity.name;
}

static void test_identity(void **state) {
        PamRequest request = identity("bob");
        Fixture *f = *state;

        serve(f, &request, right);
        check_proven(f, 1002, "bob");
        serve(f, &request, wrong);
        check_refused(f, VERDICT_FAILED, "PAM, of who it is: Authentication failure");
}

/* PAM asks for a password, and whose it is stands before it. */
static void test_whose(void **state) {
        static const ClientStep as_bob[] = {
                {PROMPT_INFO, "Authenticating as bob", CLIENT_READ, NULL, true},
                {PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"},
                {}};
        PamRequest request = identity("bob");
        Fixture *f = *state;
        char text[512];
        const ClientStep as_oneself[] = {{PROMPT_INFO, text, CLIENT_READ, NULL, true},
                                         {PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"},
                                         {}};

        serve(f, &request, as_bob);
        check_proven(f, 1002, "bob");
        (void)snprintf(text, sizeof(text), "Authenticating as yourself, %s", my_name(f));
        request = (PamRequest){.use = PAM_USE_STEP_UP, .uid = PAM_PROTOCOL_NO_UID};
        serve(f, &request, as_oneself);
        check_proven(f, f->uid, my_name(f));
}

/* Who is refused is refused before anybody is asked. */
static void test_identity_refused(void **state) {
        static const struct {
                const char *name, *reason;
        } cases[] = {
                {"root", "nobody is root here"},
                {"toor", "nobody is root here"},
                {"daemon", "this is a system user"},
                {"nologin", "this user has no valid login shell"},
                {"ALICE", "this is another name of a user"},
                {"dave", "there is no such user"},
        };
        Fixture *f = *state;

        f->begins = false;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PamRequest request = identity(cases[i].name);

                serve(f, &request, nothing);
                check_refused(f, VERDICT_USER, cases[i].reason);
        }
}

static void test_identity_asked(void **state) {
        static const ClientStep bob[] = {{PROMPT_NAME, NULL, CLIENT_ANSWER, "bob"},
                                         {PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"},
                                         {}};
        static const ClientStep root[] = {{PROMPT_NAME, NULL, CLIENT_ANSWER, "root"}, {}};
        static const ClientStep empty[] = {{PROMPT_NAME, NULL, CLIENT_ANSWER, ""}, {}};
        static const ClientStep cancel[] = {{PROMPT_NAME, NULL, CLIENT_CANCEL, NULL}, {}};
        PamRequest request = identity("");
        char name[CONVERSATION_ANSWER_MAX + 1] = {};
        const ClientStep longest[] = {{PROMPT_NAME, NULL, CLIENT_ANSWER, name}, {}};
        Fixture *f = *state;

        serve(f, &request, bob);
        check_proven(f, 1002, "bob");
        serve(f, &request, root);
        check_refused(f, VERDICT_USER, "nobody is root here");
        serve(f, &request, empty);
        check_refused(f, VERDICT_USER, "there is no such user");
        serve(f, &request, cancel);
        check_refused(f, VERDICT_CANCELLED, "the client cancelled");
        memset(name, 'n', CONVERSATION_ANSWER_MAX);
        serve(f, &request, longest);
        check_refused(f, VERDICT_USER, "there is no such user");
}

static void test_step_up(void **state) {
        const PamRequest request = {
                .use = PAM_USE_STEP_UP, .uid = PAM_PROTOCOL_NO_UID, .tty = 0x401};
        char text[1024];
        const ClientStep script[] = {{PROMPT_INFO, text, CLIENT_READ, NULL},
                                     {PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, "right"},
                                     {}};
        Fixture *f = *state;

        (void)snprintf(text, sizeof(text), "user=%s ruser=%s tty=tty1", my_name(f), my_name(f));
        set_service(f, "doorward", "items password=right", "");
        serve(f, &request, script);
        check_proven(f, f->uid, my_name(f));
}

static void test_account(void **state) {
        const PamRequest request = {.use = PAM_USE_ACCOUNT, .uid = PAM_PROTOCOL_NO_UID};
        Fixture *f = *state;

        f->begins = false;
        serve(f, &request, nothing);
        check_proven(f, f->uid, my_name(f));

        set_service(f, "doorward", "", "result=13");
        serve(f, &request, nothing);
        check_refused(f, VERDICT_ACCOUNT, "PAM, of the account: User account has expired");
}

/* Anybody, by polkit's own service; and then polkit is to be told. */
static void test_agent(void **state) {
        static const ClientStep admin[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "admin"},
                                           {}};
        PamRequest request = {.use = PAM_USE_AGENT, .uid = 0, .cookie = "2-4711-1"};
        Fixture *f = *state;

        serve(f, &request, right);
        check_refused(f, VERDICT_FAILED, "PAM, of who it is: Authentication failure");
        serve(f, &request, admin);
        check_refused(f, VERDICT_POLKIT, "polkit did not take it: No such file or directory");

        f->begins = false;
        request.uid = 4711;
        serve(f, &request, nothing);
        check_refused(f, VERDICT_USER, "there is no user with this uid");
        request.uid = USERS_BROKEN_UID;
        serve(f, &request, nothing);
        check_refused(f, VERDICT_UNAVAILABLE, "users cannot be looked up: Input/output error");
}

/* For an agent any process of the client's user answers, for all else the client's. */
static void test_who_answers(void **state) {
        static const ClientStep by_child[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CHILD, "right"}, {}};
        PamRequest request = identity("bob");
        Fixture *f = *state;

        serve(f, &request, by_child);
        check_refused(f, VERDICT_CANCELLED, "somebody else than the client answered");

        set_service(f, "polkit-1", "password=right", "");
        request = (PamRequest){.use = PAM_USE_AGENT, .uid = 1002, .cookie = "2-4711-1"};
        serve(f, &request, by_child);
        check_refused(f, VERDICT_POLKIT, "polkit did not take it: No such file or directory");
}

/* A client that is one of doorward's own users is the broker. */
static void test_no_client(void **state) {
        PamRequest request = identity("bob");
        Fixture *f = *state;
        Asker asker = {};
        int fds[2];

        f->begins = false;
        f->rules.caller.broker = f->uid;
        serve(f, &request, nothing);
        check_refused(f, VERDICT_CLIENT, "the client runs as one of doorward's own users");

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        f->rules.caller.broker = 4243;
        assert_int_equal(
                request_serve_consume_fd(&f->rules, &asker, &request, fds[0], &f->verdict), 0);
        check_refused(f, VERDICT_CLIENT, "the descriptor is not a connection to the broker");
        close_fd(fds[1]);
}

/* Where only root can try it: root can have polkit's agent, and is asked nothing else. */
static void test_root(void **state) {
        static const ClientStep admin[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, "admin"}, {}};
        PamRequest request = {.use = PAM_USE_AGENT, .uid = 1002, .cookie = "2-4711-1"};
        Fixture *f = *state;

        if (geteuid() != 0)
                skip();
        f->as_root = true;
        serve(f, &request, admin);
        check_refused(f, VERDICT_POLKIT, "polkit did not take it: No such file or directory");
        request = identity("bob");
        serve(f, &request, right);
        check_proven(f, 1002, "bob");

        f->begins = false;
        request = (PamRequest){.use = PAM_USE_ACCOUNT, .uid = PAM_PROTOCOL_NO_UID};
        serve(f, &request, nothing);
        check_proven(f, 0, "root");
        request.use = PAM_USE_STEP_UP;
        serve(f, &request, nothing);
        check_refused(f, VERDICT_USER, "root is not asked");
}

/* The broker takes nothing any more: there is nobody to tell. */
static void test_broker_gone(void **state) {
        PamRequest request = identity("bob");
        Fixture *f = *state;
        Asker asker = {};
        int fds[2], client;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        close_fd(fds[1]);
        pid = fork();
        if (pid == 0)
                _exit(connect_client(f) < 0 || pause() < 0);
        client = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        asker.fd = fds[0];
        assert_int_equal(
                request_serve_consume_fd(&f->rules, &asker, &request, client, &f->verdict),
                -EPIPE);
        close_fd(fds[0]);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_identity),       TEST(test_identity_refused),
                TEST(test_identity_asked), TEST(test_step_up),
                TEST(test_account),        TEST(test_agent),
                TEST(test_who_answers),    TEST(test_no_client),
                TEST(test_root),           TEST(test_broker_gone),
                TEST(test_whose),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
