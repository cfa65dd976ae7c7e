/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PAM itself, with services of the test's own, of which each names the module of tests/support. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "pam/authentication.h"
#include "tests/support/dialogue-client.h"
#include "tests/support/tree.h"
#include "tests/support/users.h"

#define SECOND UINT64_C(1000000)

typedef struct Fixture {
        Tree tree;
        Identity identity;
        Dialogue dialogue;
        Authentication authentication;
        PamReply verdict;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        tree_init(&f->tree);
        f->identity = (Identity){.uid = 1001, .name = "alice"};
        f->dialogue = (Dialogue)DIALOGUE_NULL;
        f->authentication = (Authentication){
                .service = "test",
                .confdir = f->tree.path,
                .rules = &users_rules,
                .identity = &f->identity,
                .dialogue = &f->dialogue,
        };
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        dialogue_deinit(&f->dialogue);
        tree_deinit(&f->tree);
        free(f);
        return 0;
}

/* Each is what the module does; NULL: it has no such line. */
static void set_service(Fixture *f, const char *auth, const char *account) {
        char text[2048];
        int n = 0;

        if (auth)
                n += snprintf(text, sizeof(text), "auth required " PAM_MODULE " %s\n", auth);
        if (account)
                (void)snprintf(text + n, sizeof(text) - (size_t)n,
                               "account required " PAM_MODULE " %s\n", account);
        tree_file(&f->tree, "test", text);
}

static void run(Fixture *f, const ClientStep *script) {
        pid_t client;
        int fd;

        f->dialogue = (Dialogue)DIALOGUE_NULL;
        assert_int_equal(dialogue_begin(&f->dialogue, 10 * SECOND, &fd), 0);
        client = client_start_consume_fd(fd, script);
        f->dialogue.pid = client;
        authentication_run(&f->authentication, &f->verdict);
        dialogue_deinit(&f->dialogue);
        client_finish(client);
}

static void check_proven(Fixture *f, const ClientStep *script) {
        run(f, script);
        assert_int_equal(f->verdict.code, VERDICT_PROVEN);
        assert_int_equal(f->verdict.uid, f->identity.uid);
        assert_string_equal(f->verdict.name, f->identity.name);
        assert_string_equal(f->verdict.detail, "");
}

static void check_refused(Fixture *f, const ClientStep *script, VerdictCode code,
                          const char *detail) {
        run(f, script);
        assert_string_equal(verdict_code_to_string(f->verdict.code), verdict_code_to_string(code));
        assert_string_equal(f->verdict.detail, detail);
        assert_int_equal(f->verdict.uid, PAM_PROTOCOL_NO_UID);
        assert_string_equal(f->verdict.name, "");
}

static const ClientStep nothing[] = {{}};

static void test_password(void **state) {
        static const ClientStep right[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"},
                                           {}};
        static const ClientStep wrong[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "wrong"},
                                           {}};
        Fixture *f = *state;

        set_service(f, "password=right", "");
        check_proven(f, right);
        check_refused(f, wrong, VERDICT_FAILED, "PAM, of who it is: Authentication failure");
}

/* As pam_rootok would have it, which sees a process of root's here whoever asks. */
static void test_nothing_asked(void **state) {
        static const ClientStep right[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "right"},
                                           {}};
        Fixture *f = *state;

        set_service(f, "", "");
        check_proven(f, nothing);
        f->authentication.must_answer = true;
        check_refused(f, nothing, VERDICT_UNAVAILABLE,
                      "PAM asked nothing: the service test trusts everybody, or root");
        set_service(f, "password=right", "");
        check_proven(f, right);
}

static void test_four_styles(void **state) {
        static const ClientStep script[] = {
                {PROMPT_INFO, "Some information", CLIENT_READ, NULL},
                {PROMPT_ECHO_ON, "Name: ", CLIENT_ANSWER, "visible"},
                {PROMPT_ERROR, "An error", CLIENT_READ, NULL},
                {PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "hidden"},
                {PROMPT_ECHO_ON, "Code: ", CLIENT_ANSWER, "4711"},
                {PROMPT_INFO, "welcome", CLIENT_READ, NULL},
                {},
        };
        Fixture *f = *state;

        set_service(f, "four echo=4711", "say=welcome");
        check_proven(f, script);
}

static void test_items(void **state) {
        static const ClientStep with[] = {
                {PROMPT_INFO, "user=alice ruser=bob tty=pts/3", CLIENT_READ, NULL}, {}};
        static const ClientStep without[] = {
                {PROMPT_INFO, "user=alice ruser=- tty=-", CLIENT_READ, NULL}, {}};
        Fixture *f = *state;

        set_service(f, "items", "");
        check_proven(f, without);
        f->authentication.caller = "bob";
        f->authentication.terminal = "pts/3";
        check_proven(f, with);
}

static void test_cancelled(void **state) {
        static const ClientStep cancel[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, NULL}, {}};
        static const ClientStep hang_up[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_HANG_UP, NULL}, {}};
        Fixture *f = *state;

        set_service(f, "password=right", "");
        check_refused(f, cancel, VERDICT_CANCELLED, "the client cancelled");
        check_refused(f, hang_up, VERDICT_CANCELLED, "the client hung up");

        /* To a module that does without, too. */
        set_service(f, "ask", "");
        check_refused(f, cancel, VERDICT_CANCELLED, "the client cancelled");
}

static void test_account(void **state) {
        Fixture *f = *state;

        /* PAM_ACCT_EXPIRED, PAM_PERM_DENIED; and what pam_deny(8) says. */
        set_service(f, "", "result=13");
        check_refused(f, nothing, VERDICT_ACCOUNT, "PAM, of the account: User account has expired");
        set_service(f, "", "result=6");
        check_refused(f, nothing, VERDICT_ACCOUNT, "PAM, of the account: Permission denied");
        set_service(f, "", "result=7");
        check_refused(f, nothing, VERDICT_ACCOUNT, "PAM, of the account: Authentication failure");
}

static void test_password_expired(void **state) {
        Fixture *f = *state;

        set_service(f, "", "expired");
        check_refused(f, nothing, VERDICT_PASSWORD_EXPIRED,
                      "PAM, of the account: Authentication token is no longer valid; new one "
                      "required");
}

/* A name that a module put there, whoever that is; a name that PAM does not have any more; and a
 * name that has become another user's. */
static void test_changed(void **state) {
        static const char changed[] = "PAM ended with another user than it began with";
        Fixture *f = *state;

        set_service(f, "user=bob", "");
        check_refused(f, nothing, VERDICT_CHANGED, changed);
        set_service(f, "", "user=root");
        check_refused(f, nothing, VERDICT_CHANGED, changed);
        set_service(f, "user=ALICE", "");
        check_refused(f, nothing, VERDICT_CHANGED, changed);
        set_service(f, "user=", "");
        check_refused(f, nothing, VERDICT_CHANGED, changed);

        set_service(f, "", "");
        f->identity.uid++;
        check_refused(f, nothing, VERDICT_CHANGED, changed);
        f->identity.uid--;
        check_proven(f, nothing);
}

static void test_unavailable(void **state) {
        Fixture *f = *state;

        /* PAM_SYSTEM_ERR, PAM_CRED_UNAVAIL, PAM_AUTHINFO_UNAVAIL. */
        set_service(f, "result=4", "");
        check_refused(f, nothing, VERDICT_UNAVAILABLE, "PAM, of who it is: System error");
        set_service(f, "result=9", "");
        check_refused(f, nothing, VERDICT_UNAVAILABLE,
                      "PAM, of who it is: Authentication service cannot retrieve authentication "
                      "info");
        set_service(f, "", "result=15");
        check_refused(f, nothing, VERDICT_UNAVAILABLE,
                      "PAM, of the account: Authentication service cannot retrieve user "
                      "credentials");

        /* A module that is not there; a question that there is not; too many of them. */
        tree_file(&f->tree, "test", "auth required /nonexistent.so\naccount required " PAM_MODULE);
        check_refused(f, nothing, VERDICT_UNAVAILABLE, "PAM, of who it is: Module is unknown");
        set_service(f, "style=5", "");
        check_refused(f, nothing, VERDICT_UNAVAILABLE, "PAM, of who it is: Conversation error");
        set_service(f, "messages=33", "");
        check_refused(f, nothing, VERDICT_UNAVAILABLE, "PAM, of who it is: Conversation error");
}

/* No service, and none in its place. In a child, since libpam then leaves something behind. */
static void test_no_service(void **state) {
        Fixture *f = *state;
        int status = -1;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                authentication_run(&f->authentication, &f->verdict);
                _exit(f->verdict.code == VERDICT_UNAVAILABLE &&
                                      streq(f->verdict.detail,
                                            "PAM has no service test that it can use")
                              ? EXIT_SUCCESS
                              : EXIT_FAILURE);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_SUCCESS);
}

/* A service without account lines says nothing of accounts, which is not enough. */
static void test_half_a_service(void **state) {
        Fixture *f = *state;

        set_service(f, "", NULL);
        run(f, nothing);
        assert_int_not_equal(f->verdict.code, VERDICT_PROVEN);
        set_service(f, NULL, "");
        run(f, nothing);
        assert_int_not_equal(f->verdict.code, VERDICT_PROVEN);
}

/* For the account alone nobody is asked, and what would be shown is not. */
static void test_account_only(void **state) {
        Fixture *f = *state;

        f->authentication.account_only = true;
        set_service(f, "password=right", "say=hello items");
        authentication_run(&f->authentication, &f->verdict);
        assert_int_equal(f->verdict.code, VERDICT_PROVEN);
        assert_string_equal(f->verdict.name, "alice");

        set_service(f, "", "result=13");
        authentication_run(&f->authentication, &f->verdict);
        assert_int_equal(f->verdict.code, VERDICT_ACCOUNT);

        set_service(f, "", "echo=x");
        authentication_run(&f->authentication, &f->verdict);
        assert_int_equal(f->verdict.code, VERDICT_UNAVAILABLE);

        set_service(f, "", "user=bob");
        authentication_run(&f->authentication, &f->verdict);
        assert_int_equal(f->verdict.code, VERDICT_CHANGED);
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

/* A wrong answer takes its time, also if the client has gone meanwhile; one that was not given does
 * not. */
static void test_delay(void **state) {
        static const ClientStep wrong[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, "wrong"}, {}};
        static const ClientStep cancel[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, NULL}, {}};
        uint64_t before = now_usec();
        Fixture *f = *state;

        set_service(f, "delay=400000 password=right", "");
        check_refused(f, cancel, VERDICT_CANCELLED, "the client cancelled");
        assert_true(now_usec() - before < SECOND / 10);

        before = now_usec();
        check_refused(f, wrong, VERDICT_FAILED, "PAM, of who it is: Authentication failure");
        /* PAM makes it longer or shorter by up to a half. */
        assert_true(now_usec() - before >= SECOND / 5);
}

/* When all is over, there is nothing left of what was typed. */
static void test_erasure(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL},
                                            {}};
        Fixture *f = *state;

        set_service(f, "ask password=right", "");
        check_refused(f, script, VERDICT_FAILED, "PAM, of who it is: Authentication failure");
        assert_int_equal(client_count_canaries(), 0);
}

/* The same with a module of PAM's own, where there is one: it keeps the password in PAM's data. */
static void test_erasure_by_pam_unix(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, "Password: ", CLIENT_CANARY, NULL},
                                            {}};
        Fixture *f = *state;

        tree_file(&f->tree, "test",
                  "auth required pam_unix.so nodelay\naccount required pam_permit.so\n");
        run(f, script);
        if (f->verdict.code != VERDICT_FAILED)
                skip();
        assert_int_equal(client_count_canaries(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_password),     TEST(test_nothing_asked),
                TEST(test_password),     TEST(test_four_styles),
                TEST(test_items),        TEST(test_cancelled),
                TEST(test_account),      TEST(test_password_expired),
                TEST(test_changed),      TEST(test_unavailable),
                TEST(test_no_service),   TEST(test_half_a_service),
                TEST(test_account_only), TEST(test_delay),
                TEST(test_erasure),      TEST(test_erasure_by_pam_unix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
