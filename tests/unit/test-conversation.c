/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/conversation.h"
#include "common/socket.h"
#include "tests/support/fds.h"
#include "tests/support/wire-fixture.h"

/* The helper's end, and what the callback is asked and answers. */
static int helper, client;
static char asked[4096];
static const char *callback_answer;
static int callback_result;
static unsigned n_fds_before;
static doorward_error error;

static const int types[] = {
        DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
        DOORWARD_CRED_INFO,     DOORWARD_CRED_ERROR_MSG,
};

static int callback(doorward_credential *cred, unsigned ncred, void *cbdata) {
        size_t n = strlen(asked);

        (void)snprintf(asked + n, sizeof(asked) - n, "%d %s|", cred->type, cred->prompt);
        if (cred->type < DOORWARD_CRED_INFO && callback_answer) {
                cred->result = strdup(callback_answer);
                cred->resultlen = (unsigned)strlen(callback_answer);
        }

        return callback_result;
}

static const doorward_auth auth = {types, ELEMENTSOF(types), callback, NULL};

static void make_pair(int type) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(socket_set_passcred(ends[0]), 0);
        assert_int_equal(socket_set_passcred(ends[1]), 0);
        helper = ends[0];
        client = ends[1];
}

static int setup(void **state) {
        n_fds_before = fds_count();
        make_pair(SOCK_SEQPACKET);
        asked[0] = 0;
        callback_answer = "secret";
        callback_result = 0;
        return 0;
}

static int teardown(void **state) {
        helper = close_fd(helper);
        client = close_fd(client);
        doorward_error_clear(&error);
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static void send_prompt(PromptKind kind, uint32_t number, const char *text) {
        Prompt prompt = {.kind = kind, .number = number};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t n;

        prompt_set_text(&prompt, text);
        n = prompt_encode(&prompt, buf);
        assert_int_equal(send(helper, buf, n, 0), n);
}

static void expect_answer(uint32_t number, bool cancelled, const char *text) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Answer answer = {};
        ssize_t n;

        n = recv(helper, buf, sizeof(buf), MSG_DONTWAIT);
        assert_true(n > 0);
        assert_int_equal(answer_decode(buf, (size_t)n, &answer), 0);
        assert_int_equal(answer.number, number);
        assert_int_equal(answer.cancelled, cancelled);
        assert_string_equal(answer.text, text);
}

/* The client has hung up, and said nothing more. */
static void expect_end(void) {
        char c;

        assert_int_equal(recv(helper, &c, 1, MSG_DONTWAIT), 0);
}

/* To its end, as a call that blocks does. */
static int hold_by(const doorward_auth *by, ConversationTrust trust, const char *origin,
                   int timeout_ms) {
        Conversation *conversation = NULL;
        int r;

        r = conversation_new_consume_fd(TAKE_FD(client), trust, by, origin,
                                        channel_deadline(timeout_ms), &conversation, &error);
        while (r == 0 && (r = conversation_process(conversation, &error)) == CONVERSATION_E_WAIT) {
                Wait wait;

                wait_init(&wait);
                conversation_wait(conversation, &wait);
                r = wait_block(&wait);
        }

        conversation_free(conversation);
        return r;
}

static int hold_as(ConversationTrust trust, const char *origin, int timeout_ms) {
        return hold_by(&auth, trust, origin, timeout_ms);
}

static int hold(void) {
        return hold_as(CONVERSATION_OF_OURSELVES, NULL, WIRE_TIMEOUT_MS);
}

/* What the helper says in advance is all that it says. */
static void helper_ends(void) {
        assert_int_equal(shutdown(helper, SHUT_WR), 0);
}

static void test_conversation(void **state) {
        send_prompt(PROMPT_INFO, 1, "Good morning.");
        send_prompt(PROMPT_NAME, 2, "Name: ");
        send_prompt(PROMPT_ECHO_OFF, 3, "Password: ");
        send_prompt(PROMPT_ERROR, 4, "Once more.");
        send_prompt(PROMPT_ECHO_ON, 0xfffffffe, "Code: ");
        helper_ends();

        assert_int_equal(hold(), 0);
        assert_null(error.message);
        assert_string_equal(asked,
                            "100 Good morning.|2 Name: |5 Password: |101 Once more.|6 Code: |");
        expect_answer(2, false, "secret");
        expect_answer(3, false, "secret");
        expect_answer(0xfffffffe, false, "secret");
        expect_end();
}

static void test_origin(void **state) {
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        send_prompt(PROMPT_INFO, 2, "Thanks.");
        helper_ends();

        assert_int_equal(hold_as(CONVERSATION_OF_OURSELVES, "bob@far: ", WIRE_TIMEOUT_MS), 0);
        assert_string_equal(asked, "5 bob@far: Password: |100 bob@far: Thanks.|");
}

static void test_nothing_is_asked(void **state) {
        helper_ends();
        assert_int_equal(hold(), 0);
        assert_string_equal(asked, "");
        expect_end();
}

static void test_helper_vanishes(void **state) {
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        helper = close_fd(helper);
        assert_int_equal(hold(), 0);
        assert_string_equal(asked, "5 Password: |");
}

/* What was not read makes of an end a reset. */
static void test_helper_resets(void **state) {
        assert_int_equal(send(client, "x", 1, 0), 1);
        helper = close_fd(helper);
        assert_int_equal(hold(), 0);
}

static void test_cancelled(void **state) {
        send_prompt(PROMPT_ECHO_OFF, 7, "Password: ");
        callback_result = -1;
        assert_int_equal(hold(), -ECANCELED);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_CANCELLED);
        assert_string_equal(asked, "5 Password: |");
        expect_answer(7, true, "");
        expect_end();
}

/* Of what a callback does wrong nothing gets out, either. */
static void test_mistake(void **state) {
        send_prompt(PROMPT_ECHO_OFF, 7, "Password: ");
        callback_answer = NULL;
        assert_int_equal(hold(), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_INVALID_ARG);
        expect_answer(7, true, "");
        expect_end();
}

static void test_not_taken(void **state) {
        static const doorward_auth texts = {types + 3, 2, callback, NULL};

        send_prompt(PROMPT_INFO, 1, "Good morning.");
        send_prompt(PROMPT_ECHO_OFF, 7, "Password: ");
        assert_int_equal(hold_by(&texts, CONVERSATION_OF_OURSELVES, NULL, WIRE_NO_TIMEOUT),
                         -ENOSYS);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_UNAVAILABLE);
        assert_string_equal(asked, "100 Good morning.|");
        expect_answer(7, true, "");
        expect_end();
}

static void test_late(void **state) {
        assert_int_equal(hold_as(CONVERSATION_OF_OURSELVES, NULL, SHORT_MS), -ETIMEDOUT);
        assert_int_equal(error.code, DOORWARD_ERR_TIMEOUT);
        expect_end();
}

/* A helper that takes no answers cannot hold us for ever. */
static void test_late_to_send(void **state) {
        int size = 1;

        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        while (send(client, "x", 1, MSG_DONTWAIT) == 1)
                ;
        send_prompt(PROMPT_ECHO_OFF, 7, "Password: ");
        assert_int_equal(hold_as(CONVERSATION_OF_OURSELVES, NULL, SHORT_MS), -ETIMEDOUT);
        assert_int_equal(error.code, DOORWARD_ERR_TIMEOUT);
}

/* Who is not to be believed. Nobody is asked, and nothing is said. */

static void check_refused_as(ConversationTrust trust, int expected) {
        char c;

        assert_int_equal(hold_as(trust, NULL, WIRE_TIMEOUT_MS), expected);
        assert_int_equal(error.code, DOORWARD_ERR_PROTOCOL);
        assert_non_null(error.hint);
        assert_string_equal(asked, "");
        if (helper >= 0)
                assert_true(recv(helper, &c, 1, MSG_DONTWAIT) <= 0);
}

static void check_refused(int expected) {
        check_refused_as(CONVERSATION_OF_OURSELVES, expected);
}

static void test_other_sockets(void **state) {
        static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM};
        int fds[2];

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                close_fd(helper);
                close_fd(client);
                make_pair(kinds[i]);
                send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
                check_refused(-EPERM);
        }

        helper = close_fd(helper);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check_refused(-EPERM);
        client = open("/dev/zero", O_RDWR | O_CLOEXEC);
        check_refused(-EPERM);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        client = fds[0];
        check_refused(-EPERM);
        close_fd(fds[1]);
        client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        check_refused(-EPERM);
}

static void test_no_credentials(void **state) {
        int zero = 0;

        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_PASSCRED, &zero, sizeof(zero)), 0);
        assert_int_equal(setsockopt(helper, SOL_SOCKET, SO_PASSCRED, &zero, sizeof(zero)), 0);
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        check_refused(-EPERM);
}

static void test_malformed(void **state) {
        assert_int_equal(send(helper, "nonsense", 8, 0), 8);
        check_refused(-EBADMSG);
}

static void test_too_long(void **state) {
        char text[CONVERSATION_MESSAGE_SIZE + 1] = {PROMPT_ECHO_OFF};

        assert_int_equal(send(helper, text, sizeof(text), 0), sizeof(text));
        check_refused(-EBADMSG);
}

static void test_descriptors(void **state) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt = {.kind = PROMPT_ECHO_OFF, .text = "Password: "};
        size_t n = prompt_encode(&prompt, buf);

        assert_int_equal(socket_send(helper, buf, n, helper), n);
        check_refused(-EBADMSG);
}

static void *make_pair_as_stranger(void *userdata) {
        set_thread_uid(STRANGER);
        make_pair(SOCK_SEQPACKET);
        return NULL;
}

static void *send_as_stranger(void *userdata) {
        set_thread_uid(STRANGER);
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        return NULL;
}

static void in_thread(void *(*function)(void *)) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A broker that was taken over passes on a socket of its own, and has root itself, by whatever
 * trick, speak on it. */
static void test_made_by_a_stranger(void **state) {
        skip_unless_root();
        close_fd(helper);
        close_fd(client);
        in_thread(make_pair_as_stranger);
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        check_refused_as(CONVERSATION_OF_ROOT, -EPERM);
        assert_non_null(strstr(error.message, "made by somebody else"));
}

/* It keeps a copy of the helper's socket, and speaks on that. */
static void test_sent_by_a_stranger(void **state) {
        skip_unless_root();
        in_thread(send_as_stranger);
        check_refused_as(CONVERSATION_OF_ROOT, -EPERM);
        assert_non_null(strstr(error.message, "sent by somebody else"));
}

/* Each prompt is looked at, not the first alone. */
static void test_goes_on_by_a_stranger(void **state) {
        skip_unless_root();
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        in_thread(send_as_stranger);
        assert_int_equal(hold_as(CONVERSATION_OF_ROOT, NULL, WIRE_TIMEOUT_MS), -EPERM);
        assert_int_equal(error.code, DOORWARD_ERR_PROTOCOL);
        assert_string_equal(asked, "5 Password: |");
        expect_answer(1, false, "secret");
        expect_end();
}

static void test_of_root(void **state) {
        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        if (getuid() != 0) {
                check_refused_as(CONVERSATION_OF_ROOT, -EPERM);
                return;
        }

        helper_ends();
        assert_int_equal(hold_as(CONVERSATION_OF_ROOT, NULL, WIRE_TIMEOUT_MS), 0);
        expect_answer(1, false, "secret");
}

/* In a user namespace that maps nobody, everybody looks alike. */
static void test_unmapped(void **state) {
        int status;
        pid_t pid;

        send_prompt(PROMPT_ECHO_OFF, 1, "Password: ");
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0)
                        _exit(77);
                if (hold_as(CONVERSATION_OF_ROOT, NULL, WIRE_TIMEOUT_MS) != -ENOSYS)
                        _exit(1);
                _exit(error.code != DOORWARD_ERR_AUTH_UNAVAILABLE || asked[0]);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_conversation),
                TEST(test_origin),
                TEST(test_nothing_is_asked),
                TEST(test_helper_vanishes),
                TEST(test_helper_resets),
                TEST(test_cancelled),
                TEST(test_mistake),
                TEST(test_not_taken),
                TEST(test_late),
                TEST(test_late_to_send),
                TEST(test_other_sockets),
                TEST(test_no_credentials),
                TEST(test_malformed),
                TEST(test_too_long),
                TEST(test_descriptors),
                TEST(test_made_by_a_stranger),
                TEST(test_sent_by_a_stranger),
                TEST(test_goes_on_by_a_stranger),
                TEST(test_of_root),
                TEST(test_unmapped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
