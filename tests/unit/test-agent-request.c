/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "client/doorward.h"
#include "common/socket.h"
#include "helpers/agent-request.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define CALL                                                \
        "{\"method\":\"org.doorward.Broker.AgentRespond\"," \
        "\"parameters\":{\"cookie\":\"chocolate\",\"user\":1001},\"more\":true}"
#define CONVERSATION "{\"parameters\":{\"conversation\":0,\"requestId\":\"r\"},\"continues\":true}"
#define CONTINUES "{\"parameters\":{\"requestId\":\"r\"},\"continues\":true}"
#define TOLD "{\"parameters\":{\"requestId\":\"r\"}}"
#define ERROR(name, parameters) \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{" parameters "}}"

/* What the broker does once it was asked. */
typedef struct Script {
        const char *first; /* sent with a descriptor, if it is the conversation */
        const char *second;
        bool hangs_up;
} Script;

typedef struct Fixture {
        unsigned n_fds;
        FakeBroker *broker;
        AgentLink *link;
        int library; /* the other end */
        bool gone;
        GCancellable *cancellable;
        AgentRequest *request;
        unsigned n_done;
        GTask *result; /* once it returned */
} Fixture;

static void on_answer(const AgentAnswer *answer, void *userdata) {
        Fixture *f = userdata;

        agent_request_answer(f->request, answer);
}

static void on_gone(void *userdata) {
        Fixture *f = userdata;

        f->gone = true;
        f->request = agent_request_free(f->request);
}

static const AgentLinkEvents link_events = {.answer = on_answer, .gone = on_gone};

static void on_done(void *userdata) {
        Fixture *f = userdata;

        f->n_done++;
        f->request = agent_request_free(f->request);
}

static void on_returned(GObject *source, GAsyncResult *result, gpointer userdata) {
        Fixture *f = userdata;

        assert_null(f->result);
        f->result = g_object_ref(G_TASK(result));
}

static void send_reply(FakeBroker *b, const char *json) {
        int ends[2];

        if (!strstr(json, "\"conversation\":0")) {
                fake_send(b, json);
                return;
        }

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return;
        (void)socket_send(ends[0], "hello", 5, -EBADF);
        close_fd(ends[0]);
        fake_send_fds(b, json, &ends[1], 1);
}

static void script_respond(FakeBroker *b) {
        const Script *script = b->data;

        fake_accept(b);
        fake_expect(b, CALL);
        send_reply(b, script->first);
        if (script->second)
                send_reply(b, script->second);
        if (!script->hangs_up)
                fake_expect_hang_up(b);
}

static void script_nobody(FakeBroker *b) {
        if (fake_try_accept(b, 50))
                fake_fail(b, "somebody came");
}

/* A library, a broker, and a question of polkit's. */
static void fixture_start(Fixture *f, FakeScript script, const void *data, size_t n_names) {
        AgentCandidates candidates = {
                .n = n_names, .uids = {1000, 1001}, .names = {"carol", "dave"}};
        GTask *task;
        int ends[2];

        /* GLib has descriptors of its own, from the first of these on. */
        (void)g_main_context_iteration(NULL, FALSE);
        g_object_unref(g_task_new(NULL, NULL, NULL, NULL));

        *f = (Fixture){.n_fds = fds_count()};
        f->broker = fake_broker_start(script, data);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        f->library = ends[0];
        assert_int_equal(agent_link_new_consume_fd(ends[1], getpid(), &link_events, f, &f->link),
                         0);

        f->cancellable = g_cancellable_new();
        task = g_task_new(NULL, f->cancellable, on_returned, f);
        g_task_set_check_cancellable(task, FALSE);
        f->request = agent_request_new_consume(
                &(AgentRequestSpec){
                        .link = f->link,
                        .socket = f->broker->path,
                        .message = "To open it",
                        .cookie = "chocolate",
                        .candidates = &candidates,
                        .done = on_done,
                        .userdata = f,
                },
                task);
}

static void fixture_stop(Fixture *f) {
        f->request = agent_request_free(f->request);
        g_clear_object(&f->result);
        g_object_unref(f->cancellable);
        f->link = agent_link_free(f->link);
        close_fd(f->library);
        fake_broker_stop(f->broker);
        assert_int_equal(fds_count(), f->n_fds);
}

static void turn(void) {
        if (!g_main_context_iteration(NULL, FALSE))
                (void)poll(NULL, 0, 1);
}

/* What the library gets next, and the descriptor that comes with it. */
static AgentMessage hear(Fixture *f, int *ret_fd) {
        SocketAncillary ancillary = {};
        uint8_t buf[AGENT_MESSAGE_SIZE];
        AgentMessage message = {};
        ssize_t n = -EAGAIN;

        for (int i = 0; i < FAKE_TIMEOUT_MS && n == -EAGAIN; i++) {
                struct pollfd p = {.fd = f->library, .events = POLLIN};

                turn();
                if (poll(&p, 1, 0) == 1)
                        n = socket_receive(f->library, buf, sizeof(buf), 1, &ancillary);
        }

        assert_true(n > 0);
        assert_int_equal(agent_message_decode(buf, (size_t)n, &message), 0);
        assert_int_equal(ancillary.n_fds, ret_fd ? 1 : 0);
        if (ret_fd)
                *ret_fd = ancillary.fds[0];
        return message;
}

static void say(Fixture *f, const AgentAnswer *answer) {
        uint8_t buf[AGENT_ANSWER_SIZE];
        size_t n = agent_answer_encode(answer, buf);

        assert_int_equal(socket_send(f->library, buf, n, -EBADF), n);
}

static void choose(Fixture *f, uint8_t index) {
        AgentMessage message = hear(f, NULL);

        assert_int_equal(message.type, AGENT_CHOOSE);
        assert_string_equal(message.text, "To open it");
        assert_int_equal(message.n_names, 2);
        assert_string_equal(message.names[0], "carol");
        assert_string_equal(message.names[1], "dave");
        say(f, &(AgentAnswer){.index = index});
}

/* polkit gets this answer, the library no more, and the request is over. */
static void check_end(Fixture *f, bool told, gint code) {
        struct pollfd p = {.fd = f->library, .events = POLLIN};
        GError *error = NULL;

        for (int i = 0; i < FAKE_TIMEOUT_MS && (!f->result || f->request); i++)
                turn();
        assert_non_null(f->result);
        assert_null(f->request);
        assert_int_equal(g_task_propagate_boolean(f->result, &error), told);
        if (!told) {
                assert_int_equal(error->domain, POLKIT_ERROR);
                assert_int_equal(error->code, code);
                g_error_free(error);
        }
        assert_int_equal(poll(&p, 1, 0), 0);
}

static void check_conversation(Fixture *f) {
        AgentMessage message;
        char buf[16];
        int fd;

        message = hear(f, &fd);
        assert_int_equal(message.type, AGENT_CONVERSATION);
        assert_int_equal(message.whose, AGENT_WHOSE_ROOT);
        assert_int_equal(recv(fd, buf, sizeof(buf), 0), 5);
        assert_memory_equal(buf, "hello", 5);
        /* No copy of it stays with the agent. */
        assert_int_equal(recv(fd, buf, sizeof(buf), 0), 0);
        close_fd(fd);
}

static void test_told(void **state) {
        const Script script = {.first = CONVERSATION, .second = TOLD};
        Fixture f;

        fixture_start(&f, script_respond, &script, 2);
        choose(&f, 1);
        check_conversation(&f);
        check_end(&f, true, 0);
        assert_int_equal(f.n_done, 1);
        fixture_stop(&f);
}

/* A module may ask for nothing. */
static void test_told_at_once(void **state) {
        const Script script = {.first = TOLD};
        Fixture f;

        fixture_start(&f, script_respond, &script, 2);
        choose(&f, 1);
        check_end(&f, true, 0);
        fixture_stop(&f);
}

typedef struct Failing {
        Script script;
        int code;
        const char *text;
        const char *hint;
        gint answer;
} Failing;

static const Failing failing[] = {
        {{CONVERSATION, ERROR("AuthenticationFailed", "\"requestId\":\"r\"")},
         DOORWARD_ERR_AUTH_FAILED,
         "Authentication as dave failed.",
         "",
         POLKIT_ERROR_FAILED},
        {{CONVERSATION, ERROR("AuthenticationFailed", "\"requestId\":\"r\",\"hint\":\"Later.\"")},
         DOORWARD_ERR_AUTH_FAILED,
         "Authentication as dave failed.",
         "Later.",
         POLKIT_ERROR_FAILED},
        {{CONVERSATION, ERROR("AuthenticationCancelled", "\"requestId\":\"r\"")},
         DOORWARD_ERR_AUTH_CANCELLED,
         "Authentication as dave was cancelled.",
         "",
         POLKIT_ERROR_CANCELLED},
        {{CONVERSATION, ERROR("PermissionDenied", "\"requestId\":\"r\",\"hint\":\"Expired.\"")},
         DOORWARD_ERR_DENIED,
         "Authentication as dave is not allowed, or not now.",
         "Expired.",
         POLKIT_ERROR_FAILED},
        {{ERROR("LimitExceeded",
                "\"limit\":\"AuthenticationFailures\",\"retryAfter\":60000,\"requestId\":\"r\""),
          NULL},
         DOORWARD_ERR_LIMIT,
         "AuthenticationFailures",
         "",
         POLKIT_ERROR_FAILED},
        {{ERROR("AuthenticationUnavailable", "\"requestId\":\"r\",\"hint\":\"No PAM.\""), NULL},
         DOORWARD_ERR_AUTH_UNAVAILABLE,
         "no way to authenticate",
         "No PAM.",
         POLKIT_ERROR_FAILED},
        {{ERROR("TimedOut", "\"requestId\":\"r\""), NULL},
         DOORWARD_ERR_TIMEOUT,
         "Time ran out",
         "",
         POLKIT_ERROR_FAILED},
        /* A broker that does not keep to the interface, or to its connection. */
        {{CONVERSATION, CONVERSATION},
         DOORWARD_ERR_PROTOCOL,
         "did not keep to the interface",
         "",
         POLKIT_ERROR_FAILED},
        {{CONVERSATION, CONTINUES},
         DOORWARD_ERR_PROTOCOL,
         "did not keep to the interface",
         "",
         POLKIT_ERROR_FAILED},
        {{CONTINUES, NULL},
         DOORWARD_ERR_PROTOCOL,
         "did not keep to the interface",
         "",
         POLKIT_ERROR_FAILED},
        {{"{\"parameters\":{\"conversation\":0,\"requestId\":\"r\"}}", NULL},
         DOORWARD_ERR_PROTOCOL,
         "did not keep to the interface",
         "",
         POLKIT_ERROR_FAILED},
        {{"nonsense", NULL}, DOORWARD_ERR_PROTOCOL, "cannot be read", NULL, POLKIT_ERROR_FAILED},
        {{CONVERSATION, NULL, true},
         DOORWARD_ERR_NO_BROKER,
         "ended the connection",
         NULL,
         POLKIT_ERROR_FAILED},
};

static void test_failing(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(failing); i++) {
                const Failing *case_ = &failing[i];
                AgentMessage end;
                Fixture f;

                fixture_start(&f, script_respond, &case_->script, 2);
                choose(&f, 1);
                if (streq(case_->script.first, CONVERSATION))
                        check_conversation(&f);
                end = hear(&f, NULL);
                assert_int_equal(end.type, AGENT_END);
                assert_int_equal(end.code, case_->code);
                assert_non_null(strstr(end.text, case_->text));
                if (case_->hint)
                        assert_string_equal(end.hint, case_->hint);
                check_end(&f, false, case_->answer);
                fixture_stop(&f);
        }
}

static void test_no_broker(void **state) {
        AgentMessage end;
        Fixture f;

        fixture_start(&f, script_nobody, NULL, 2);
        assert_int_equal(unlink(f.broker->path), 0);
        choose(&f, 1);
        end = hear(&f, NULL);
        assert_int_equal(end.code, DOORWARD_ERR_NO_BROKER);
        check_end(&f, false, POLKIT_ERROR_FAILED);
        fixture_stop(&f);
}

static void test_nobody_to_ask(void **state) {
        AgentMessage end;
        Fixture f;

        fixture_start(&f, script_nobody, NULL, 0);
        end = hear(&f, NULL);
        assert_int_equal(end.type, AGENT_END);
        assert_int_equal(end.code, DOORWARD_ERR_AUTH_UNAVAILABLE);
        check_end(&f, false, POLKIT_ERROR_FAILED);
        fixture_stop(&f);
}

/* Nobody is asked then. */
static void test_not_chosen(void **state) {
        const AgentAnswer answers[] = {{.cancelled = true}, {.index = 2}, {.index = 255}};
        Fixture f;

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                fixture_start(&f, script_nobody, NULL, 2);
                assert_int_equal(hear(&f, NULL).type, AGENT_CHOOSE);
                say(&f, &answers[i]);
                check_end(&f, false, POLKIT_ERROR_CANCELLED);
                assert_int_equal(f.n_done, 1);
                fixture_stop(&f);
        }
}

/* Who is still asked for a name learns that nobody wants it any more. */
static void check_withdrawn(Fixture *f) {
        AgentMessage end = hear(f, NULL);

        assert_int_equal(end.type, AGENT_END);
        assert_int_equal(end.code, 0);
        assert_string_equal(end.text, "");
}

/* By the library, by polkit, by whoever frees it; the broker is hung up on each time. */
static void test_given_up(void **state) {
        const Script script = {.first = CONVERSATION};
        Fixture f;

        for (int way = 0; way < 5; way++) {
                fixture_start(&f, script_respond, &script, 2);
                choose(&f, 1);
                check_conversation(&f);
                if (way == 0)
                        say(&f, &(AgentAnswer){.cancelled = true});
                else if (way == 1)
                        say(&f, &(AgentAnswer){.index = 1}); /* which nobody asked for */
                else if (way == 2)
                        g_cancellable_cancel(f.cancellable);
                else if (way == 3)
                        f.request = agent_request_free(f.request);
                else
                        assert_int_equal(shutdown(f.library, SHUT_WR), 0);
                if (way == 2)
                        check_withdrawn(&f);
                check_end(&f, false, POLKIT_ERROR_CANCELLED);
                assert_int_equal(f.gone, way == 4);
                fixture_stop(&f);
        }
}

static void test_cancelled_early(void **state) {
        Fixture f;

        fixture_start(&f, script_nobody, NULL, 2);
        assert_int_equal(hear(&f, NULL).type, AGENT_CHOOSE);
        g_cancellable_cancel(f.cancellable);
        check_withdrawn(&f);
        check_end(&f, false, POLKIT_ERROR_CANCELLED);
        /* Too late. */
        assert_null(f.request);
        fixture_stop(&f);
}

/* The link. */

static void test_link_gone(void **state) {
        static const char *const lies[] = {"", "garbage", "\2\0\0\0\1\0", "\1\0\0\0\1\0\0\0\0"};
        static const size_t sizes[] = {0, 7, 6, 9};
        Fixture f;

        for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
                fixture_start(&f, script_nobody, NULL, 2);
                assert_int_equal(hear(&f, NULL).type, AGENT_CHOOSE);
                assert_int_equal(socket_send(f.library, lies[i], sizes[i], -EBADF), sizes[i]);
                check_end(&f, false, POLKIT_ERROR_CANCELLED);
                assert_true(f.gone);
                fixture_stop(&f);
        }
}

static void test_link_refuses(void **state) {
        int ends[2], n_fds = (int)fds_count();
        AgentLink *link = NULL;
        Fixture f = {};

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(agent_link_new_consume_fd(ends[0], getpid() + 1, &link_events, &f, &link),
                         -EPERM);
        close_fd(ends[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(agent_link_new_consume_fd(ends[0], getpid(), &link_events, &f, &link),
                         -EPROTOTYPE);
        close_fd(ends[1]);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(agent_link_new_consume_fd(ends[0], getpid(), &link_events, &f, &link),
                         -ENOTSOCK);
        close_fd(ends[1]);
        assert_null(link);
        assert_int_equal(fds_count(), n_fds);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_told),          cmocka_unit_test(test_told_at_once),
                cmocka_unit_test(test_failing),       cmocka_unit_test(test_no_broker),
                cmocka_unit_test(test_nobody_to_ask), cmocka_unit_test(test_not_chosen),
                cmocka_unit_test(test_given_up),      cmocka_unit_test(test_cancelled_early),
                cmocka_unit_test(test_link_gone),     cmocka_unit_test(test_link_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
