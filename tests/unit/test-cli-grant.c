/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cli/grant.h"
#include "tests/support/fake-broker.h"
#include "tests/support/pty.h"
#include "tests/support/tree.h"

#define CALL(rest)                                                                          \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"full\"" rest "},\"more\":true}"
#define INTERACTIVE ",\"allowInteractiveAuthentication\":true"
#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"
#define ERROR(name) \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"requestId\":\"r9\"}}"

/* Passwords, one a connection; the last is right, unless none is. */
typedef struct Passwords {
        const char *call;
        const char *typed[4]; /* ended by NULL */
        bool none_is_right;
} Passwords;

static void grant(FakeBroker *b) {
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, GRANT, &ends[0], 1);
        close_fd(ends[1]);
}

static void script_passwords(FakeBroker *b) {
        const Passwords *passwords = b->data;

        for (size_t i = 0; passwords->typed[i]; i++) {
                int fd;

                fake_accept(b);
                fake_expect(b, passwords->call);
                fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
                fake_end_conversation_consume_fd(b, fd, passwords->typed[i]);
                if (passwords->typed[i + 1] || passwords->none_is_right)
                        fake_send(b, ERROR("AuthenticationFailed"));
                else
                        grant(b);
                fake_expect_hang_up(b);
        }
}

/* A job. */
typedef struct Request {
        unsigned given;
        const char *user;
} Request;

static void job_open(PtyOutcome *outcome, void *userdata) {
        const Request *request = userdata;
        Options options = {.given = request->given, .user = request->user, .fd = -EBADF};
        _cleanup_error_ doorward_error error = {};
        doorward_conn *conn;
        Argument argument;

        outcome->r = argument_parse("docker", ACCESS_FULL, false, &argument);
        if (outcome->r == 0)
                outcome->r = grant_resolve(&options, &argument, &error);
        if (outcome->r == 0)
                outcome->r = grant_open(&options, &argument, &conn, &error);
        outcome->code = error.code;
        if (outcome->r == 0)
                (void)conn_unref(conn);
}

static Pty pty;
static FakeBroker *broker;

static int setup(void **state) {
        pty_init(&pty);
        pty.may_speak = true;
        return 0;
}

static int teardown(void **state) {
        pty_deinit(&pty);
        return 0;
}

static void begin(FakeScript script, const void *data, PtyPlace place, const Request *request) {
        broker = fake_broker_listen(script, data);
        pty_start(&pty, place, job_open, (void *)request);
        fake_broker_go(broker);
        pty_go(&pty);
}

static void type(const Passwords *passwords) {
        for (size_t i = 0; passwords->typed[i]; i++) {
                pty_expect(&pty, "Password: ");
                pty_expect_echo(&pty, false);
                pty_forget(&pty);
                pty_type(&pty, passwords->typed[i]);
                pty_type(&pty, "\n");
                if (passwords->typed[i + 1])
                        pty_expect(&pty, "\r\n");
        }
}

static void finish(int code, const char *said) {
        PtyOutcome outcome;

        pty_finish(&pty, &outcome);
        fake_broker_stop(broker);
        assert_int_equal(outcome.code, code);
        assert_string_equal(pty.said, said);
}

#define TRY_AGAIN "doorward: Authentication for full access to docker failed. Try again.\n"

static const Request nothing;

static void test_right(void **state) {
        static const Passwords passwords = {CALL(INTERACTIVE), {"right"}, false};

        begin(script_passwords, &passwords, PTY_FOREGROUND, &nothing);
        type(&passwords);
        finish(0, "");
}

static void test_mistyped(void **state) {
        static const Passwords passwords = {CALL(INTERACTIVE), {"wrong", "writ", "right"}, false};

        begin(script_passwords, &passwords, PTY_FOREGROUND, &nothing);
        type(&passwords);
        finish(0, TRY_AGAIN TRY_AGAIN);
}

/* There is an end. */
static void test_wrong(void **state) {
        static const Passwords passwords = {CALL(INTERACTIVE), {"a", "b", "c"}, true};

        begin(script_passwords, &passwords, PTY_FOREGROUND, &nothing);
        type(&passwords);
        finish(DOORWARD_ERR_AUTH_FAILED, TRY_AGAIN TRY_AGAIN);
}

static void test_as_another(void **state) {
        static const Passwords passwords = {
                CALL(",\"user\":\"bob\"" INTERACTIVE), {"right"}, false};
        static const Request request = {.given = OPTION_USER, .user = "bob"};

        begin(script_passwords, &passwords, PTY_FOREGROUND, &request);
        type(&passwords);
        finish(0, "");
}

static void test_as_whoever(void **state) {
        static const Passwords passwords = {CALL(",\"user\":\"\"" INTERACTIVE), {"right"}, false};
        static const Request request = {.given = OPTION_USER, .user = ""};

        begin(script_passwords, &passwords, PTY_FOREGROUND, &request);
        type(&passwords);
        finish(0, "");
}

/* Nobody is to be asked, and so nobody is asked again. */

typedef struct Refusal {
        const char *call;
        const char *reply;
} Refusal;

static void script_refusal(FakeBroker *b) {
        const Refusal *refusal = b->data;

        fake_accept(b);
        fake_expect(b, refusal->call);
        fake_send(b, refusal->reply);
        fake_expect_hang_up(b);
}

static void test_nobody_is_asked(void **state) {
        static const Refusal refusal = {CALL(""), ERROR("AuthenticationFailed")};
        static const Request request = {.given = OPTION_NO_ASK_PASSWORD};

        begin(script_refusal, &refusal, PTY_FOREGROUND, &request);
        finish(DOORWARD_ERR_AUTH_FAILED, "");
}

static void test_no_terminal(void **state) {
        static const Refusal refusal = {CALL(""), ERROR("InteractiveAuthenticationRequired")};

        begin(script_refusal, &refusal, PTY_ELSEWHERE, &nothing);
        finish(DOORWARD_ERR_AUTH_NEEDED, "");
}

static void test_no_terminal_as_another(void **state) {
        static const Request request = {.given = OPTION_USER, .user = "bob"};

        begin(NULL, NULL, PTY_ELSEWHERE, &request);
        finish(DOORWARD_ERR_AUTH_NEEDED, "");
}

/* Somebody else may be asked, who sits at the desktop; on the terminal nobody can be. */
static void script_background(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(INTERACTIVE));
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, fd, NULL);
        fake_expect_hang_up(b);
}

static void test_background(void **state) {
        begin(script_background, NULL, PTY_BACKGROUND, &nothing);
        finish(DOORWARD_ERR_AUTH_UNAVAILABLE, "");
}

/* Whoever dismisses a prompt does not want another. */
static void test_dismissed(void **state) {
        begin(script_background, NULL, PTY_FOREGROUND, &nothing);
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "\x04");
        finish(DOORWARD_ERR_AUTH_CANCELLED, "");
}

/* What an argument comes to. */

static void check_resolved(const char *text, Access access, const char *user, const char *uri,
                           const char *key) {
        Options options = {.user = user, .fd = -EBADF};
        doorward_error error = {};
        char buf[URI_TEXT_SIZE], name[NAME_TEXT_SIZE];
        Argument argument;

        if (text)
                assert_int_equal(argument_parse(text, access, true, &argument), 0);
        else
                argument_default(access, &argument);
        assert_int_equal(grant_resolve(&options, &argument, &error), 0);
        assert_string_equal(uri_to_string(&argument.uri, buf), uri);
        assert_string_equal(argument.key, key);
        assert_int_equal(argument.access, argument.uri.access);
        assert_string_equal(name_to_string(&argument.name, name), argument.uri.endpoint);
}

static void check_unresolved(const char *text, Access access, const char *user,
                             const char *message) {
        Options options = {.user = user, .fd = -EBADF};
        doorward_error error = {};
        Argument argument;

        assert_int_equal(argument_parse(text, access, true, &argument), 0);
        assert_int_equal(grant_resolve(&options, &argument, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
        if (!strstr(error.message, message))
                fail_msg("\"%s\" is not in \"%s\"", message, error.message);
        assert_non_null(error.hint);
        doorward_error_clear(&error);
}

static void test_resolved(void **state) {
        const Access full = ACCESS_FULL, read_only = ACCESS_READ_ONLY;

        check_resolved("docker", full, NULL, "doorward:///docker?access=full", "docker");
        check_resolved("docker:ro=3", full, NULL, "doorward:///docker?access=read-only",
                       "docker:ro");
        check_resolved("docker", read_only, "bob", "doorward://bob@/docker?access=read-only",
                       "docker");
        check_resolved("docker", full, "", "doorward://@/docker?access=full", "docker");
        check_resolved("doorward:///serial@tty", full, NULL, "doorward:///serial@tty?access=full",
                       "serial@tty");
        check_resolved("doorward:///docker?access=read-only", full, "bob",
                       "doorward://bob@/docker?access=read-only", "docker");
        check_resolved("doorward+unix:///docker?socket=/run/x", read_only, "bob",
                       "doorward+unix://bob@/docker?access=read-only&socket=/run/x", "docker");
        check_resolved("doorward+ssh://eve@host/docker", full, NULL,
                       "doorward+ssh://eve@host/docker?access=full", "docker");

        check_unresolved("doorward:///docker?access=full", read_only, NULL, "asks for full access");
        check_unresolved("doorward://bob@/docker", full, "bob", "says as whom itself");
        check_unresolved("doorward+ssh://host/docker", full, "bob", "leads to another machine");
        check_unresolved("doorward:docker", full, NULL, "three slashes");
        check_unresolved("Docker", full, NULL, "does not name an endpoint");
}

static void check_option(const char *text, unsigned given, int errnum, const char *uri) {
        Options options = {.given = given, .fd = -EBADF};
        doorward_error error = {};
        char buf[URI_TEXT_SIZE];
        Argument argument;

        assert_int_equal(argument_parse(text, ACCESS_FULL, true, &argument), 0);
        assert_int_equal(grant_resolve(&options, &argument, &error), -errnum);
        assert_int_equal(error.errnum, errnum);
        if (uri)
                assert_string_equal(uri_to_string(&argument.uri, buf), uri);
        doorward_error_clear(&error);
}

static void test_resolved_by_name(void **state) {
        Tree tree;

        tree_init(&tree);
        tree_file(&tree, "doorward/client.conf",
                  "uri_aliases = [\"Box=doorward+unix:///docker?socket=/run/x\",\n"
                  "\"kvm=doorward+ssh://host/kvm\"]\n"
                  "uri_default = \"Box\"\n");
        tree_mode(&tree, "doorward/client.conf", 0644);
        assert_int_equal(setenv("XDG_CONFIG_HOME", tree.path, 1), 0);

        check_resolved("Box:ro", ACCESS_FULL, NULL,
                       "doorward+unix:///docker?access=read-only&socket=/run/x", "Box:ro");
        check_resolved(NULL, ACCESS_FULL, "bob",
                       "doorward+unix://bob@/docker?access=full&socket=/run/x", "docker");

        check_option("kvm", 0, 0, "doorward+ssh://host/kvm?access=full");
        check_option("kvm", OPTION_NO_ALIASES, 0, "doorward:///kvm?access=full");
        check_option("kvm", OPTION_LOCAL_ONLY, EREMOTE, NULL);
        check_option("Box", OPTION_LOCAL_ONLY, 0,
                     "doorward+unix:///docker?access=full&socket=/run/x");
        check_option("Box", OPTION_NO_ALIASES, EINVAL, NULL);

        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        tree_deinit(&tree);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_right),
                TEST(test_mistyped),
                TEST(test_wrong),
                TEST(test_as_another),
                TEST(test_as_whoever),
                TEST(test_nobody_is_asked),
                TEST(test_no_terminal),
                TEST(test_no_terminal_as_another),
                TEST(test_background),
                TEST(test_dismissed),
                cmocka_unit_test(test_resolved),
                cmocka_unit_test(test_resolved_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
