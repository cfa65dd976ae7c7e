/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/conn.h"
#include "client/opening.h"
#include "tests/support/fake-agent.h"
#include "tests/support/fds.h"
#include "tests/support/wire-fixture.h"

#define CALL(rest)                                                                          \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"full\",\"allowInteractiveAuthentication\":true" rest "},\"more\":true}"
#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"
#define ERROR(name)                                                                       \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"action\":\"a.b\"," \
        "\"hint\":\"the broker's hint\",\"requestId\":\"r9\"}}"

/* What the callback was asked, and does. */
static char asked[1024];
static const char *callback_answer;
static int callback_result;

static int callback(doorward_credential *cred, unsigned ncred, void *cbdata) {
        size_t n = strlen(asked);

        (void)snprintf(asked + n, sizeof(asked) - n, "%d %s|", cred->type,
                       cred->type == DOORWARD_CRED_EXTERNAL ? cred->challenge : cred->prompt);
        if (cred->type < DOORWARD_CRED_EXTERNAL && callback_answer)
                cred->result = strdup(callback_answer);

        return callback_result;
}

static const int types[] = {DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_EXTERNAL, DOORWARD_CRED_INFO};
static const doorward_auth auth = {types, ELEMENTSOF(types), callback, NULL};
static const doorward_auth quiet = {types, 1, callback, NULL};
static const doorward_auth texts = {types + 2, 1, callback, NULL};

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        fake_agent_init();
        asked[0] = 0;
        callback_answer = "secret";
        callback_result = 0;
        return 0;
}

static int teardown(void **state) {
        doorward_reset_last_error();
        fake_agent_deinit();
        /* An agent that was started does not stay. */
        assert_int_equal(fake_agent.n_freed, fake_agent.start.code ? 0 : fake_agent.n_starts);
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void converse(FakeBroker *b, const char *text) {
        int fd = fake_begin_conversation(b, CONVERSATION, text);

        fake_end_conversation_consume_fd(b, fd, "secret");
}

static void grant(FakeBroker *b) {
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, GRANT, &ends[0], 1);
        close_fd(ends[1]);
}

static void check_granted(FakeScript script, const char *uri, const doorward_auth *by) {
        FakeBroker *broker = fake_broker_start(script, NULL);
        doorward_conn *conn = doorward_open_auth(uri, by, 0);

        if (!conn)
                fail_msg("%s", doorward_get_last_error_message());
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

static void check_failed(FakeScript script, const void *data, const doorward_auth *by,
                         doorward_error_code code, const char *request) {
        FakeBroker *broker = fake_broker_start(script, data);
        const doorward_error *error;

        assert_null(doorward_open_auth("docker", by, 0));
        error = doorward_get_last_error();
        assert_non_null(error);
        if (error->code != (int)code)
                fail_msg("%s: %s", doorward_error_code_to_string(error->code), error->message);
        assert_string_equal(error->endpoint, "docker");
        if (request)
                assert_string_equal(error->request_id, request);
        fake_broker_stop(broker);
}

static void script_conversation(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(""));
        converse(b, "Password: ");
        grant(b);
        fake_expect_hang_up(b);
}

static void test_conversation(void **state) {
        check_granted(script_conversation, "docker", &auth);
        assert_string_equal(asked, "5 Password: |");
}

/* To be bob, and as the definition's step-up. */
static void script_two_conversations(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(",\"user\":\"bob\""));
        converse(b, "Password of bob: ");
        converse(b, "Your own password: ");
        grant(b);
        fake_expect_hang_up(b);
}

static void test_two_conversations(void **state) {
        check_granted(script_two_conversations, "doorward://bob@/docker", &auth);
        assert_string_equal(asked, "5 Password of bob: |5 Your own password: |");
}

static void script_wrong(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(""));
        converse(b, "Password: ");
        fake_send(b, ERROR("AuthenticationFailed"));
        fake_expect_hang_up(b);
}

/* There is one attempt. */
static void test_wrong(void **state) {
        check_failed(script_wrong, NULL, &auth, DOORWARD_ERR_AUTH_FAILED, "r9");
        assert_string_equal(asked, "5 Password: |");
        assert_string_equal(doorward_get_last_error()->hint, "the broker's hint");
        assert_string_equal(doorward_get_last_error()->action_id, "a.b");
}

/* The broker learns of it by the hang-up, and gives up whatever it was about to do. */
static void script_cancelled(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, fd, NULL);
        fake_expect_hang_up(b);
}

static void test_cancelled(void **state) {
        callback_result = -1;
        check_failed(script_cancelled, NULL, &auth, DOORWARD_ERR_AUTH_CANCELLED, "r1");
}

static void test_not_taken(void **state) {
        check_failed(script_cancelled, NULL, &texts, DOORWARD_ERR_AUTH_UNAVAILABLE, "r1");
        assert_string_equal(asked, "");
}

static void test_mistake(void **state) {
        callback_answer = NULL;
        check_failed(script_cancelled, NULL, &auth, DOORWARD_ERR_INVALID_ARG, "r1");
}

/* Conversations out of turn. */

static void script_reply(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

static void script_reply_with_fd(FakeBroker *b) {
        int ends[2];

        fake_accept(b);
        fake_expect(b, NULL);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, b->data, &ends[0], 1);
        fake_expect_hang_up(b);
        close_fd(ends[1]);
}

static void test_out_of_turn(void **state) {
        static const char *const last =
                "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0,"
                "\"requestId\":\"r1\"}}";
        static const char *const missing =
                "{\"parameters\":{\"state\":\"conversation\",\"requestId\":\"r1\"},"
                "\"continues\":true}";
        static const char *const other =
                "{\"parameters\":{\"state\":\"conversation\",\"connection\":0,"
                "\"requestId\":\"r1\"},\"continues\":true}";

        check_failed(script_reply_with_fd, last, &auth, DOORWARD_ERR_PROTOCOL, NULL);
        check_failed(script_reply, missing, &auth, DOORWARD_ERR_PROTOCOL, NULL);
        check_failed(script_reply_with_fd, other, &auth, DOORWARD_ERR_PROTOCOL, NULL);
        /* Nobody was to be asked. */
        check_failed(script_reply_with_fd, CONVERSATION, NULL, DOORWARD_ERR_PROTOCOL, NULL);
        assert_string_equal(asked, "");
}

/* Somebody else asks. */

static void script_slow(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(""));
        fake_expect_silence(b, 1200);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_external(void **state) {
        check_granted(script_slow, "docker", &auth);
        assert_string_equal(asked, "9 polkit|");
}

static void test_external_is_not_taken(void **state) {
        check_granted(script_slow, "docker", &quiet);
        assert_string_equal(asked, "");
}

static void script_soon(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(""));
        fake_expect_silence(b, 300);
        converse(b, "Password: ");
        fake_expect_silence(b, 300);
        grant(b);
        fake_expect_hang_up(b);
}

/* It is the silence that is measured, and not how long a person takes. */
static void test_external_not_yet(void **state) {
        check_granted(script_soon, "docker", &auth);
        assert_string_equal(asked, "5 Password: |");
}

static void script_silence(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_expect_hang_up(b);
}

static void test_external_refused(void **state) {
        callback_result = -1;
        check_failed(script_silence, NULL, &auth, DOORWARD_ERR_AUTH_CANCELLED, NULL);
        assert_string_equal(asked, "9 polkit|");
}

/* polkit wants a password, and has nobody through whom to ask. */

#define NEEDED ERROR("InteractiveAuthenticationRequired")

static void test_nobody_asks(void **state) {
        const doorward_error *error;

        check_failed(script_reply, NEEDED, NULL, DOORWARD_ERR_AUTH_NEEDED, "r9");

        /* That the program takes no passwords is what is wrong. */
        check_failed(script_reply, NEEDED, &texts, DOORWARD_ERR_AUTH_UNAVAILABLE, "r9");
        error = doorward_get_last_error();
        assert_non_null(strstr(error->hint, "PASSPHRASE"));
        assert_string_equal(error->action_id, "a.b");
        assert_int_equal(fake_agent.n_starts, 0);
}

/* Our own agent, after which the question is put again. */
static void begin_with_agent(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(""));
        fake_send(b, NEEDED);
        fake_expect_hang_up(b);
        fake_accept(b);
        fake_expect(b, CALL(""));
}

static void script_agent(FakeBroker *b) {
        begin_with_agent(b);
        fake_agent_speak();
        fake_expect_silence(b, 100);
        fake_agent_speak();
        fake_expect_silence(b, 1000);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_agent(void **state) {
        check_granted(script_agent, "docker", &auth);
        assert_int_equal(fake_agent.n_starts, 1);
        assert_memory_equal(&fake_agent.auth, &auth, sizeof(auth));
        assert_non_null(strstr(fake_agent.socket, "/broker"));
        assert_int_equal(fake_agent.n_processed, 2);
        /* Nobody else asks. */
        assert_string_equal(asked, "");
        assert_null(doorward_get_last_error());
}

/* polkit may want one password and the definition another. */
static void script_agent_and_step_up(FakeBroker *b) {
        begin_with_agent(b);
        fake_agent_speak();
        fake_expect_silence(b, 100);
        converse(b, "Password: ");
        grant(b);
        fake_expect_hang_up(b);
}

static void test_agent_and_step_up(void **state) {
        check_granted(script_agent_and_step_up, "docker", &auth);
        assert_int_equal(fake_agent.n_processed, 1);
        assert_string_equal(asked, "5 Password: |");
}

static void test_agent_does_not_start(void **state) {
        fake_agent.start = (FakeAgentError){-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE};
        check_failed(script_reply, NEEDED, &auth, DOORWARD_ERR_AUTH_UNAVAILABLE, "r9");
        assert_string_equal(doorward_get_last_error_message(), "the agent says so");
        assert_string_equal(doorward_get_last_error()->action_id, "a.b");
        assert_int_equal(fake_agent.n_starts, 1);
}

/* What it is that fails is known here; the hang-up tells the broker. */
static void script_agent_fails(FakeBroker *b) {
        begin_with_agent(b);
        fake_agent_speak();
        fake_expect_hang_up(b);
}

static void test_agent_fails(void **state) {
        fake_agent.process = (FakeAgentError){-ECANCELED, DOORWARD_ERR_AUTH_CANCELLED};
        check_failed(script_agent_fails, NULL, &auth, DOORWARD_ERR_AUTH_CANCELLED, NULL);
}

static void script_agent_refused(FakeBroker *b) {
        begin_with_agent(b);
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

/* To polkit a failed prompt is a denial. */
static void test_agent_knows_better(void **state) {
        fake_agent.explain = (FakeAgentError){-EACCES, DOORWARD_ERR_AUTH_FAILED};
        check_failed(script_agent_refused, ERROR("PermissionDenied"), &auth,
                     DOORWARD_ERR_AUTH_FAILED, "r9");
        assert_string_equal(doorward_get_last_error_message(), "the agent says so");
        assert_string_equal(doorward_get_last_error()->action_id, "a.b");
        check_failed(script_agent_refused, NEEDED, &auth, DOORWARD_ERR_AUTH_FAILED, "r9");

        check_failed(script_agent_refused, ERROR("AuthenticationCancelled"), &auth,
                     DOORWARD_ERR_AUTH_FAILED, "r9");

        /* Of what else there is, it knows nothing. */
        check_failed(script_agent_refused, ERROR("PolicyUnavailable"), &auth,
                     DOORWARD_ERR_POLICY_UNAVAILABLE, "r9");
}

static void test_agent_knows_nothing(void **state) {
        check_failed(script_agent_refused, ERROR("PermissionDenied"), &auth, DOORWARD_ERR_DENIED,
                     "r9");
        assert_string_equal(doorward_get_last_error()->hint, "the broker's hint");
        /* There is one agent, and it had its chance. */
        check_failed(script_agent_refused, NEEDED, &auth, DOORWARD_ERR_AUTH_NEEDED, "r9");
        assert_int_equal(fake_agent.n_starts, 2);
}

/* The agent's words and the broker's come at once. */
static void script_agent_last_words(FakeBroker *b) {
        begin_with_agent(b);
        fake_send(b, ERROR("PermissionDenied"));
        fake_expect_hang_up(b);
}

static void test_agent_last_words(void **state) {
        fake_agent_speak();
        fake_agent.process = (FakeAgentError){-ETIMEDOUT, DOORWARD_ERR_TIMEOUT};
        /* Whichever is heard first. */
        check_failed(script_agent_last_words, NULL, &auth, DOORWARD_ERR_TIMEOUT, NULL);
        assert_int_equal(fake_agent.n_processed, 1);
}

/* Who has to prove to be bob is not to do so twice: the agent is there before it is needed. */
static void script_as_bob(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(",\"user\":\"bob\""));
        converse(b, "Password of bob: ");
        fake_agent_speak();
        fake_expect_silence(b, 100);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_agent_of_another(void **state) {
        check_granted(script_as_bob, "doorward://bob@/docker", &auth);
        assert_int_equal(fake_agent.n_starts, 1);
        assert_int_equal(fake_agent.n_processed, 1);
        assert_string_equal(asked, "5 Password of bob: |");
}

static void script_as_bob_slow(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(",\"user\":\"bob\""));
        fake_expect_silence(b, 700);
        grant(b);
        fake_expect_hang_up(b);
}

/* It may be the desktop's that is asked in the end, */
static void test_agent_of_another_is_not_used(void **state) {
        check_granted(script_as_bob_slow, "doorward://bob@/docker", &auth);
        assert_string_equal(asked, "9 polkit|");
}

/* or none at all; then what keeps ours from being there does not matter. */
static void test_agent_of_another_does_not_start(void **state) {
        fake_agent.start = (FakeAgentError){-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE};
        check_granted(script_two_conversations, "doorward://bob@/docker", &auth);
        assert_int_equal(fake_agent.n_starts, 1);
        assert_null(doorward_get_last_error());
}

/* Time is over for all of it together. */
static void check_late(FakeScript script, const doorward_auth *by, int timeout_ms) {
        FakeBroker *broker = fake_broker_start(script, NULL);
        Uri uri = {.endpoint = "docker", .access = ACCESS_FULL};
        OpeningSpec spec = {
                .uri = &uri,
                .auth = by,
                .deadline = channel_deadline(timeout_ms),
        };
        doorward_error error = {};
        OpeningGrant none;
        Opening *opening;
        int r;

        assert_int_equal(opening_new(&spec, &opening, &error), 0);
        while ((r = opening_process(opening, &none, &error)) == OPENING_E_WAIT) {
                Wait wait;

                wait_init(&wait);
                opening_wait(opening, &wait);
                assert_int_equal(wait_block(&wait), 0);
        }
        assert_int_equal(r, -ETIMEDOUT);
        opening_free(opening, false);
        assert_int_equal(error.code, DOORWARD_ERR_TIMEOUT);
        doorward_error_clear(&error);
        fake_broker_stop(broker);
}

static void script_silent_conversation(FakeBroker *b) {
        int ends[2];

        fake_accept(b);
        fake_expect(b, NULL);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, CONVERSATION, &ends[0], 1);
        fake_expect_hang_up(b);
        close_fd(ends[1]);
}

static void test_late(void **state) {
        check_late(script_silence, NULL, SHORT_MS);
        check_late(script_silence, &auth, SHORT_MS);
        check_late(script_silence, &auth, 700);
        assert_string_equal(asked, "9 polkit|");
        check_late(script_silent_conversation, &auth, SHORT_MS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_conversation),
                TEST(test_two_conversations),
                TEST(test_wrong),
                TEST(test_cancelled),
                TEST(test_not_taken),
                TEST(test_mistake),
                TEST(test_out_of_turn),
                TEST(test_external),
                TEST(test_external_is_not_taken),
                TEST(test_external_not_yet),
                TEST(test_external_refused),
                TEST(test_nobody_asks),
                TEST(test_agent),
                TEST(test_agent_and_step_up),
                TEST(test_agent_does_not_start),
                TEST(test_agent_fails),
                TEST(test_agent_knows_better),
                TEST(test_agent_knows_nothing),
                TEST(test_agent_last_words),
                TEST(test_agent_of_another),
                TEST(test_agent_of_another_is_not_used),
                TEST(test_agent_of_another_does_not_start),
                TEST(test_late),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
