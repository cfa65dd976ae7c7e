/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "pam/dialogue.h"
#include "tests/support/dialogue-client.h"

#define SECOND UINT64_C(1000000)

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

/* A dialogue with a child that follows the script. */
static pid_t begin(Dialogue *d, const ClientStep *script) {
        pid_t pid;
        int fd;

        assert_int_equal(dialogue_begin(d, 10 * SECOND, &fd), 0);
        pid = client_start_consume_fd(fd, script);
        d->pid = pid;
        d->uid = getuid();
        return pid;
}

static void end(Dialogue *d, pid_t client) {
        dialogue_deinit(d);
        client_finish(client);
}

/* One call of PAM's, with messages of these styles and texts. */
static int converse(Dialogue *d, int n, const struct pam_message *messages,
                    struct pam_response **ret) {
        const struct pam_message *pointers[PAM_MAX_NUM_MSG + 1];

        for (int i = 0; i < n && i <= PAM_MAX_NUM_MSG; i++)
                pointers[i] = &messages[i];
        *ret = (void *)d;
        return dialogue_converse(n, pointers, ret, d);
}

static void free_responses(struct pam_response *responses, int n) {
        for (int i = 0; i < n; i++) {
                if (responses[i].resp)
                        explicit_bzero(responses[i].resp, strlen(responses[i].resp));
                free(responses[i].resp);
        }
        free(responses);
}

static const struct pam_message question = {PAM_PROMPT_ECHO_OFF, "Password: "};

/* Nothing was answered, and it says why; nor will anything be. */
static void check_over(Dialogue *d, const char *why) {
        struct pam_response *responses;

        assert_int_equal(converse(d, 1, &question, &responses), PAM_CONV_ERR);
        assert_ptr_equal(responses, d);
        assert_string_equal(d->over, why);
        assert_int_equal(converse(d, 1, &question, &responses), PAM_CONV_ERR);
        assert_ptr_equal(responses, d);
        assert_string_equal(d->over, why);
}

static void check_ends(const ClientStep *step, const char *why) {
        const ClientStep script[] = {*step, {}};
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);
        uint64_t before = now_usec();

        check_over(&d, why);
        assert_true(now_usec() - before < 5 * SECOND);
        assert_false(d.answered);
        end(&d, client);
}

/* All four styles, in order, and only questions have answers. */
static void test_styles(void **state) {
        static const ClientStep script[] = {
                {PROMPT_INFO, "Some information", CLIENT_READ, NULL},
                {PROMPT_ECHO_ON, "Name: ", CLIENT_ANSWER, "visible"},
                {PROMPT_ERROR, "An error", CLIENT_READ, NULL},
                {PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "hidden"},
                {PROMPT_ECHO_OFF, "", CLIENT_ANSWER, ""},
                {},
        };
        static const struct pam_message messages[] = {
                {PAM_TEXT_INFO, "Some information"},
                {PAM_PROMPT_ECHO_ON, "Name: "},
                {PAM_ERROR_MSG, "An error"},
                {PAM_PROMPT_ECHO_OFF, "Password: "},
        };
        static const struct pam_message nothing = {PAM_PROMPT_ECHO_OFF, NULL};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        assert_int_equal(converse(&d, 4, messages, &responses), PAM_SUCCESS);
        assert_null(responses[0].resp);
        assert_string_equal(responses[1].resp, "visible");
        assert_null(responses[2].resp);
        assert_string_equal(responses[3].resp, "hidden");
        free_responses(responses, 4);
        assert_true(d.answered);

        /* Enter, to a question without a text. */
        assert_int_equal(converse(&d, 1, &nothing, &responses), PAM_SUCCESS);
        assert_string_equal(responses[0].resp, "");
        free_responses(responses, 1);
        assert_null(d.over);
        end(&d, client);
}

/* As many as PAM allows in one call. */
static void test_most_messages(void **state) {
        struct pam_message messages[PAM_MAX_NUM_MSG + 1];
        ClientStep script[PAM_MAX_NUM_MSG + 1] = {};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client;

        for (int i = 0; i <= PAM_MAX_NUM_MSG; i++)
                messages[i] = question;
        for (int i = 0; i < PAM_MAX_NUM_MSG; i++)
                script[i] = (ClientStep){PROMPT_ECHO_OFF, "Password: ", CLIENT_ANSWER, "x"};
        client = begin(&d, script);

        /* One more, fewer than one: nobody is even asked. */
        assert_int_equal(converse(&d, PAM_MAX_NUM_MSG + 1, messages, &responses), PAM_CONV_ERR);
        assert_int_equal(converse(&d, 0, messages, &responses), PAM_CONV_ERR);
        assert_int_equal(converse(&d, -1, messages, &responses), PAM_CONV_ERR);
        assert_ptr_equal(responses, &d);

        assert_int_equal(converse(&d, PAM_MAX_NUM_MSG, messages, &responses), PAM_SUCCESS);
        for (int i = 0; i < PAM_MAX_NUM_MSG; i++)
                assert_string_equal(responses[i].resp, "x");
        free_responses(responses, PAM_MAX_NUM_MSG);
        end(&d, client);
}

/* Of a call with one style that there is not, nothing is shown. */
static void test_unknown_styles(void **state) {
        static const int styles[] = {0, 5, 7, -1, 1000};
        static const ClientStep script[] = {{}};
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        for (size_t i = 0; i < ELEMENTSOF(styles); i++) {
                const struct pam_message messages[] = {question, {styles[i], "x"}};
                struct pam_response *responses;

                assert_int_equal(converse(&d, 2, messages, &responses), PAM_CONV_ERR);
                assert_ptr_equal(responses, &d);
        }

        assert_null(d.over);
        end(&d, client);
}

static void test_longest_answer(void **state) {
        char text[CONVERSATION_ANSWER_MAX + 1] = {};
        ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, text}, {}};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client;

        memset(text, 'x', CONVERSATION_ANSWER_MAX);
        client = begin(&d, script);
        assert_int_equal(converse(&d, 1, &question, &responses), PAM_SUCCESS);
        assert_string_equal(responses[0].resp, text);
        free_responses(responses, 1);
        end(&d, client);
}

static void test_cancel(void **state) {
        check_ends(&(ClientStep){PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, "half"},
                   "the client cancelled");
}

static void test_hang_up(void **state) {
        check_ends(&(ClientStep){PROMPT_ECHO_OFF, NULL, CLIENT_HANG_UP, NULL},
                   "the client hung up");
}

static void test_wrong_number(void **state) {
        check_ends(&(ClientStep){PROMPT_ECHO_OFF, NULL, CLIENT_WRONG_NUMBER, "x"},
                   "the client answered what it was not asked");
}

static void test_another_process(void **state) {
        check_ends(&(ClientStep){PROMPT_ECHO_OFF, NULL, CLIENT_CHILD, "x"},
                   "somebody else than the client answered");
}

static void test_malformed(void **state) {
        static const ClientStep steps[] = {
                {PROMPT_ECHO_OFF, NULL, CLIENT_BYTES, "x"},
                {PROMPT_ECHO_OFF, NULL, CLIENT_BYTES, "Password: Password: Password: "},
                {PROMPT_ECHO_OFF, NULL, CLIENT_TOO_LONG, NULL},
                {PROMPT_ECHO_OFF, NULL, CLIENT_DESCRIPTOR, "x"},
        };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                check_ends(&steps[i], "the client sent what no client sends");
}

/* An agent asks for another process of its user. */
static void test_any_process_of_the_user(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CHILD, "x"},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, "y"},
                                            {}};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        d.pid = 0;
        assert_int_equal(converse(&d, 1, &question, &responses), PAM_SUCCESS);
        assert_string_equal(responses[0].resp, "x");
        free_responses(responses, 1);

        /* And of nobody else. */
        d.uid++;
        check_over(&d, "somebody else than the client answered");
        end(&d, client);
}

/* The second of two questions: the answer to the first is not PAM's any more. */
static void test_cancel_later(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_ANSWER, "x"},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, NULL},
                                            {}};
        const struct pam_message messages[] = {question, question};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        assert_int_equal(converse(&d, 2, messages, &responses), PAM_CONV_ERR);
        assert_ptr_equal(responses, &d);
        assert_true(d.answered);
        assert_string_equal(d.over, "the client cancelled");
        end(&d, client);
}

/* Time is over for the whole dialogue, however it was passed. */
static void test_never(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_WAIT, NULL}, {}};
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);
        uint64_t before = now_usec();

        d.deadline = before + SECOND / 5;
        check_over(&d, "the client did not answer in time");
        assert_true(now_usec() - before >= SECOND / 5);
        end(&d, client);
}

/* A client that reads nothing holds up nobody for longer than that. */
static void test_never_reads(void **state) {
        static const struct pam_message text = {PAM_TEXT_INFO, "Some information"};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        int fd, r = PAM_SUCCESS;
        unsigned n = 0;

        assert_int_equal(dialogue_begin(&d, SECOND / 5, &fd), 0);
        for (; r == PAM_SUCCESS && n < 100000; n++) {
                r = converse(&d, 1, &text, &responses);
                if (r == PAM_SUCCESS)
                        free_responses(responses, 1);
        }

        assert_int_equal(r, PAM_CONV_ERR);
        assert_string_equal(d.over, "the client did not answer in time");
        dialogue_deinit(&d);
        close_fd(fd);
}

/* Where there is no client texts go nowhere, and that is no fault of PAM's or of anybody's. */
static void test_nobody(void **state) {
        static const struct pam_message texts[] = {{PAM_TEXT_INFO, "x"}, {PAM_ERROR_MSG, "y"}};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;

        assert_int_equal(converse(&d, 2, texts, &responses), PAM_SUCCESS);
        free_responses(responses, 2);
        assert_int_equal(converse(&d, 1, &question, &responses), PAM_CONV_ERR);
        assert_null(d.over);
}

static void test_name(void **state) {
        static const ClientStep script[] = {{PROMPT_NAME, NULL, CLIENT_ANSWER, "bob"},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, NULL},
                                            {}};
        char name[CONVERSATION_ANSWER_MAX + 1];
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        assert_int_equal(dialogue_ask_name(&d, name), 0);
        assert_string_equal(name, "bob");
        /* That is nothing that PAM was told. */
        assert_false(d.answered);
        check_over(&d, "the client cancelled");
        assert_int_equal(dialogue_ask_name(&d, name), -ECANCELED);
        end(&d, client);
}

/* Both ends say who sent, from the first message on, and neither is inherited. */
static void test_sockets(void **state) {
        socklen_t n = sizeof(int);
        Dialogue d = DIALOGUE_NULL;
        struct ucred maker;
        int fd, value;

        assert_int_equal(dialogue_begin(&d, SECOND, &fd), 0);
        for (int i = 0; i < 2; i++) {
                int end_fd = i == 0 ? fd : d.fd;

                value = 0;
                assert_int_equal(getsockopt(end_fd, SOL_SOCKET, SO_PASSCRED, &value, &n), 0);
                assert_int_equal(value, 1);
                assert_int_equal(getsockopt(end_fd, SOL_SOCKET, SO_TYPE, &value, &n), 0);
                assert_int_equal(value, SOCK_SEQPACKET);
                assert_int_equal(fcntl(end_fd, F_GETFD), FD_CLOEXEC);
        }
        /* The client's end blocks, as a client expects; and the kernel says who made it. */
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        n = sizeof(maker);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &n), 0);
        assert_int_equal(maker.pid, getpid());

        dialogue_deinit(&d);
        close_fd(fd);
}

static uint64_t measure_delay(int result, Dialogue *d) {
        uint64_t before = now_usec();

        dialogue_delay(result, SECOND / 5, d);
        return now_usec() - before;
}

/* A failure takes its time, unless nothing was tried. */
static void test_delay(void **state) {
        Dialogue d = DIALOGUE_NULL;

        assert_true(measure_delay(PAM_AUTH_ERR, &d) >= SECOND / 5);
        assert_true(measure_delay(PAM_SUCCESS, &d) < SECOND / 10);
        d.over = "the client cancelled";
        assert_true(measure_delay(PAM_AUTH_ERR, &d) < SECOND / 10);
        d.answered = true;
        assert_true(measure_delay(PAM_AUTH_ERR, &d) >= SECOND / 5);
}

/* So deep in the stack that what looks for it afterwards does not overwrite what is left there. */
static int converse_deep(Dialogue *d, int n, const struct pam_message *messages,
                         struct pam_response **ret) {
        volatile char space[65536];

        space[0] = space[sizeof(space) - 1] = 0;
        return converse(d, n, messages, ret) + space[0];
}

/* Of what was typed nothing is left but what PAM was given, until that is given back. */
static void test_erasure(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL},
                                            {PROMPT_ECHO_OFF, NULL, CLIENT_CANCEL, NULL},
                                            {}};
        const struct pam_message messages[] = {question, question, question};
        struct pam_response *responses;
        Dialogue d = DIALOGUE_NULL;
        pid_t client = begin(&d, script);

        assert_int_equal(client_count_canaries(), 0);
        assert_int_equal(converse_deep(&d, 1, messages, &responses), PAM_SUCCESS);
        assert_int_equal(client_count_canaries(), 1);
        free_responses(responses, 1);
        assert_int_equal(client_count_canaries(), 0);

        /* Two were answered, and then the third cancelled. */
        assert_int_equal(converse_deep(&d, 3, messages, &responses), PAM_CONV_ERR);
        assert_int_equal(client_count_canaries(), 0);
        end(&d, client);
}

/* The same of an answer that is not taken. */
static void test_erasure_of_what_is_refused(void **state) {
        static const ClientStep script[] = {{PROMPT_ECHO_OFF, NULL, CLIENT_CANARY, NULL}, {}};

        for (int i = 0; i < 2; i++) {
                struct pam_response *responses;
                Dialogue d = DIALOGUE_NULL;
                pid_t client = begin(&d, script);

                d.pid = i == 0 ? getpid() : 0;
                d.uid++;
                assert_int_equal(converse_deep(&d, 1, &question, &responses), PAM_CONV_ERR);
                assert_string_equal(d.over, "somebody else than the client answered");
                assert_int_equal(client_count_canaries(), 0);
                end(&d, client);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_styles),
                cmocka_unit_test(test_most_messages),
                cmocka_unit_test(test_unknown_styles),
                cmocka_unit_test(test_longest_answer),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_hang_up),
                cmocka_unit_test(test_wrong_number),
                cmocka_unit_test(test_another_process),
                cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_any_process_of_the_user),
                cmocka_unit_test(test_cancel_later),
                cmocka_unit_test(test_never),
                cmocka_unit_test(test_never_reads),
                cmocka_unit_test(test_nobody),
                cmocka_unit_test(test_name),
                cmocka_unit_test(test_sockets),
                cmocka_unit_test(test_delay),
                cmocka_unit_test(test_erasure),
                cmocka_unit_test(test_erasure_of_what_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
