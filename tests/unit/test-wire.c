/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>

#include <cmocka.h>

#include "client/failure.h"
#include "common/varlink.h"
#include "tests/support/wire-fixture.h"

#define INFO "org.doorward.Broker.GetBrokerInfo"
#define OPEN "org.doorward.Broker.Open"
#define LIST "org.doorward.Broker.ListEndpoints"

/* Calls and replies. */

static void script_calls(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, "{\"method\":\"" INFO "\",\"parameters\":{}}");
        fake_send(b, "{\"parameters\":{\"version\":\"1.2.3\",\"later\":{\"x\":[1]}}}");
        fake_expect(b, "{\"method\":\"" INFO "\",\"parameters\":{}}");
        fake_send(b, "{}");
        fake_expect(b, "{\"method\":\"" INFO "\",\"parameters\":{}}");
        fake_send(b, "{\"continues\":false,\"parameters\":{\"connection\":0}}");
        fake_expect_hang_up(b);
}

static void test_calls(void **state) {
        Fixture f;

        fixture_start(&f, script_calls, NULL);
        assert_true(wire_get_fd(f.wire) > 2);
        assert_string_equal(wire_get_path(f.wire), f.broker->path);

        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), 0);
        assert_string_equal(json_string_value(json_object_get(f.reply.parameters, "version")),
                            "1.2.3");
        assert_false(f.reply.continues);
        assert_int_equal(f.reply.connection, -EBADF);
        assert_int_equal(f.reply.conversation, -EBADF);

        /* The call is over: there is nothing more of it. */
        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 0);

        /* No parameters at all are as none in them. */
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), 0);
        assert_int_equal(json_object_size(f.reply.parameters), 0);

        /* Only a method that brings descriptors has members that name them. */
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), 0);
        assert_int_equal(f.reply.connection, -EBADF);

        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

static void script_more(FakeBroker *b) {
        /* Several in one go, and then one in pieces. */
        static const char together[] = "{\"parameters\":{\"n\":1},\"continues\":true}\0"
                                       "{\"parameters\":{\"n\":2},\"continues\":true}\0"
                                       "{\"parameters\":{\"n\":3},\"con";
        static const char rest[] = "tinues\":true}\0{\"parameters\":{\"n\":4}}";

        fake_accept(b);
        fake_expect(b,
                    "{\"method\":\"" LIST "\",\"parameters\":{\"decisions\":true},\"more\":true}");
        fake_send_bytes(b, together, sizeof(together) - 1);
        for (size_t i = 0; i < sizeof(rest); i++)
                fake_send_bytes(b, rest + i, 1);
        fake_expect_hang_up(b);
}

static void test_more(void **state) {
        Fixture f;

        fixture_start(&f, script_more, NULL);
        assert_int_equal(wire_call_more(f.wire, METHOD_LIST_ENDPOINTS,
                                        json_pack("{s:b}", "decisions", 1), WIRE_TIMEOUT_MS,
                                        &f.error),
                         0);
        for (int i = 1; i <= 4; i++) {
                assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
                assert_int_equal(json_integer_value(json_object_get(f.reply.parameters, "n")), i);
                assert_int_equal(f.reply.continues, i < 4);

                if (i < 4) {
                        /* One at a time. */
                        WireReply other = WIRE_REPLY_NULL;

                        assert_int_equal(wire_call(f.wire, METHOD_FORGET, json_object(), 0, &other,
                                                   &f.error),
                                         -EBUSY);
                        assert_int_equal(f.error.code, DOORWARD_ERR_INVALID_CONN);
                }
        }
        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 0);
        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

static void test_no_parameters_is_no_memory(void **state) {
        Fixture f;

        fixture_start(&f, NULL, NULL);
        assert_int_equal(
                wire_call(f.wire, METHOD_FORGET, NULL, WIRE_TIMEOUT_MS, &f.reply, &f.error),
                -ENOMEM);
        assert_int_equal(f.error.errnum, ENOMEM);
        fixture_stop(&f);
}

static void script_wait(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_expect_silence(b, SHORT_MS);
        fake_send(b, "{\"parameters\":{\"n\":1},\"continues\":true}");
        fake_send_bytes(b, "{\"param", 7);
        fake_expect_silence(b, SHORT_MS);
        fake_send(b, "eters\":{\"n\":2},\"continues\":true}");
        fake_expect_hang_up(b);
}

/* Beside other things in a loop: poll, then take without waiting until there is nothing. */
static void test_without_waiting(void **state) {
        Fixture f;
        int n = 0, r;

        fixture_start(&f, script_wait, NULL);
        assert_int_equal(wire_call_more(f.wire, METHOD_LIST_ENDPOINTS, json_object(),
                                        WIRE_TIMEOUT_MS, &f.error),
                         0);
        assert_int_equal(fixture_next(&f, 0), -EAGAIN);
        assert_null(f.error.message);

        while (n < 2) {
                fixture_poll(&f);
                while ((r = fixture_next(&f, 0)) == 1)
                        assert_int_equal(
                                json_integer_value(json_object_get(f.reply.parameters, "n")), ++n);
                assert_int_equal(r, -EAGAIN);
                assert_null(f.error.message);
        }
        assert_true(wire_get_fd(f.wire) >= 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* The client has found that there is no room. */
static atomic_bool client_waits;

/* A broker that does not read for a while: what did not go at once goes with what follows. */
static void script_reads_late(FakeBroker *b) {
        char buf[4096];
        ssize_t n;

        fake_accept(b);
        while (!atomic_load(&client_waits) && !fake_broker_is_stopping(b))
                (void)poll(NULL, 0, 5);
        do
                n = read(b->fd, buf, sizeof(buf));
        while (n > 0 && buf[n - 1] != 0);
        if (n <= 0)
                fake_fail(b, "the call was not all there");
        fake_send(b, "{\"parameters\":{\"n\":1}}");
        fake_expect_hang_up(b);
}

static void script_never_reads(FakeBroker *b) {
        fake_accept(b);
        while (!fake_broker_is_stopping(b))
                (void)poll(NULL, 0, 5);
}

static json_t *long_parameters(void) {
        _cleanup_free_ char *text = malloc(1 << 20);

        assert_non_null(text);
        memset(text, 'x', 1 << 20);
        return json_pack("{s:s#}", "text", text, 1 << 20);
}

static void test_sending_without_waiting(void **state) {
        struct pollfd p;
        Fixture f;
        int r;

        atomic_store(&client_waits, false);
        fixture_start(&f, script_reads_late, NULL);
        assert_int_equal(wire_get_events(f.wire), POLLIN);
        assert_int_equal(
                wire_call_more(f.wire, METHOD_LIST_ENDPOINTS, long_parameters(), 0, &f.error), 0);
        while ((r = fixture_next(&f, 0)) == -EAGAIN) {
                p = (struct pollfd){.fd = wire_get_fd(f.wire), .events = wire_get_events(f.wire)};
                if (p.events == POLLOUT)
                        atomic_store(&client_waits, true);
                assert_int_equal(poll(&p, 1, FAKE_TIMEOUT_MS), 1);
        }
        assert_int_equal(r, 1);
        assert_null(f.error.message);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);

        /* With a time-out it is a failure. */
        fixture_start(&f, script_never_reads, NULL);
        r = wire_call_more(f.wire, METHOD_LIST_ENDPOINTS, long_parameters(), 10, &f.error);
        assert_int_equal(r, -ETIMEDOUT);
        assert_int_equal(f.error.code, DOORWARD_ERR_TIMEOUT);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

static void script_silent(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_bytes(b, "{\"parameters\"", 13);
        fake_expect_hang_up(b);
}

static void test_timeout(void **state) {
        Fixture f;

        fixture_start(&f, script_silent, NULL);
        assert_int_equal(wire_call(f.wire, METHOD_GET_BROKER_INFO, json_object(), SHORT_MS,
                                   &f.reply, &f.error),
                         -ETIMEDOUT);
        assert_int_equal(f.error.code, DOORWARD_ERR_TIMEOUT);
        assert_int_equal(f.error.domain, DOORWARD_DOMAIN_LIBRARY);
        assert_int_equal(f.error.errnum, ETIMEDOUT);
        assert_non_null(f.error.hint);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

static void on_alarm(int signal_number) {}

static void script_slow(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_expect_silence(b, SHORT_MS);
        fake_send(b, "{}");
        fake_expect_hang_up(b);
}

/* A signal in the middle of a call is nobody's failure. */
static void call_among_signals(Fixture *f) {
        struct itimerval often = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000},
                         never = {};
        struct sigaction action = {.sa_handler = on_alarm}, before;

        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
        assert_int_equal(fixture_call(f, METHOD_FORGET), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
        assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

static void test_signals(void **state) {
        Fixture f;

        fixture_start(&f, script_slow, NULL);
        call_among_signals(&f);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* A wire that waits in the kernel has signals and a deadline all the same. */
static void script_blocking(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, "{}");
        fake_expect(b, NULL);
        fake_expect_silence(b, SHORT_MS);
        fake_send(b, "{}");
        fake_expect(b, NULL);
        fake_expect_hang_up(b);
}

static void test_blocking(void **state) {
        const int timeout_ms = 3 * SHORT_MS;
        Fixture f;

        fixture_start(&f, script_blocking, NULL);
        assert_int_equal(wire_make_blocking(f.wire, timeout_ms, &f.error), 0);
        assert_int_equal(fcntl(wire_get_fd(f.wire), F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        call_among_signals(&f);

        wire_reply_deinit(&f.reply);
        assert_int_equal(
                wire_call(f.wire, METHOD_FORGET, json_object(), timeout_ms, &f.reply, &f.error),
                -ETIMEDOUT);
        assert_int_equal(f.error.code, DOORWARD_ERR_TIMEOUT);
        /* It may have been done. */
        assert_false(wire_is_unanswered(f.wire));
        fixture_check_dead(&f);
        fixture_stop(&f);
}

/* Proof of identity. */

static void script_proof(FakeBroker *b) {
        const char *want =
                "{\"error\":\"org.doorward.Broker.IdentityProofRequired\",\"parameters\":"
                "{\"nonce\":\"n1\",\"requestId\":\"1\"}}";

        fake_accept(b);
        fake_expect(b, "{\"method\":\"" OPEN "\",\"parameters\":{\"endpoint\":\"docker\","
                       "\"access\":\"full\"},\"more\":true}");
        fake_send(b, want);
        fake_expect(b, "{\"method\":\"" OPEN "\",\"parameters\":{\"endpoint\":\"docker\","
                       "\"access\":\"full\",\"proof\":\"n1\"},\"more\":true}");
        fake_send(b, "{\"parameters\":{\"state\":\"granted\"},\"continues\":true}");
        /* Not after the first reply, and once only. */
        fake_send(b, want);
        fake_expect(b, "{\"method\":\"" INFO "\",\"parameters\":{}}");
        fake_send(b, want);
        fake_expect(b, "{\"method\":\"" INFO "\",\"parameters\":{\"proof\":\"n1\"}}");
        fake_send(b, want);
        fake_expect_hang_up(b);
}

static void test_proof(void **state) {
        Fixture f;

        fixture_start(&f, script_proof, NULL);
        assert_int_equal(wire_call_more(f.wire, METHOD_OPEN, fixture_open_parameters(),
                                        WIRE_TIMEOUT_MS, &f.error),
                         0);
        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
        assert_null(f.error.message);

        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), -EREMOTEIO);
        assert_int_equal(f.error.code, DOORWARD_ERR_PROTOCOL);

        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -EREMOTEIO);
        assert_int_equal(f.error.code, DOORWARD_ERR_PROTOCOL);
        assert_string_equal(f.error.message, "The broker answered IdentityProofRequired.");
        assert_true(wire_get_fd(f.wire) >= 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* The broker's errors. */

#define ERROR(name, parameters) \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{" parameters "}}"
#define COMMON "\"hint\":\"Do this.\",\"requestId\":\"r7\""

typedef struct ErrorCase {
        const char *json;
        doorward_error_domain domain;
        doorward_error_code code;
        int errnum;
        const char *message;
        const char *hint;
        const char *action;
        const char *request;
} ErrorCase;

static const ErrorCase error_cases[] = {
        {ERROR("EndpointNotFound", "\"endpoint\":\"docker\"," COMMON), DOORWARD_DOMAIN_ENDPOINT,
         DOORWARD_ERR_NO_ENDPOINT, ENOENT, "There is no endpoint called docker.", "Do this.", NULL,
         "r7"},
        {ERROR("AccessUnsupported", "\"endpoint\":\"docker\",\"access\":\"read_only\"," COMMON),
         DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ACCESS_UNSUPPORTED, EOPNOTSUPP,
         "There is no read-only access to docker, or not in the way that was asked for.",
         "Do this.", NULL, "r7"},
        {ERROR("PermissionDenied", "\"action\":\"org.x\"," COMMON), DOORWARD_DOMAIN_POLICY,
         DOORWARD_ERR_DENIED, EACCES, "Policy does not allow you full access to docker.",
         "Do this.", "org.x", "r7"},
        {ERROR("InteractiveAuthenticationRequired",
               "\"action\":\"org.x\",\"mechanisms\":[\"agent\"]," COMMON),
         DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_AUTH_NEEDED, EACCES,
         "Policy wants a password for full access to docker, and nobody could be asked for it.",
         "Do this.", "org.x", "r7"},
        {ERROR("AuthenticationFailed", "\"action\":null,\"hint\":null,\"requestId\":\"r8\""),
         DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_FAILED, EACCES,
         "Authentication for full access to docker failed.", NULL, NULL, "r8"},
        {ERROR("AuthenticationCancelled", COMMON), DOORWARD_DOMAIN_AUTH,
         DOORWARD_ERR_AUTH_CANCELLED, ECANCELED,
         "Authentication for full access to docker was cancelled.", "Do this.", NULL, "r7"},
        {ERROR("AuthenticationUnavailable", COMMON), DOORWARD_DOMAIN_AUTH,
         DOORWARD_ERR_AUTH_UNAVAILABLE, EACCES,
         "There is no way to authenticate for full access to docker here.", "Do this.", NULL, "r7"},
        {ERROR("PolicyUnavailable", COMMON), DOORWARD_DOMAIN_POLICY,
         DOORWARD_ERR_POLICY_UNAVAILABLE, EAGAIN,
         "Policy could not be asked about full access to docker.", "Do this.", NULL, "r7"},
        {ERROR("EndpointUnavailable",
               "\"endpoint\":\"docker\",\"errno\":111,\"reason\":\"open: refused\"," COMMON),
         DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ENDPOINT_DOWN, ECONNREFUSED,
         "docker could not be opened: open: refused.", "Do this.", NULL, "r7"},
        {ERROR("EndpointUnavailable", "\"endpoint\":\"docker\",\"errno\":2"),
         DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ENDPOINT_DOWN, ENOENT,
         "docker could not be opened: No such file or directory.", NULL, NULL, NULL},
        {ERROR("EndpointUnavailable", "\"endpoint\":\"docker\",\"errno\":0"),
         DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ENDPOINT_DOWN, 0, "docker could not be opened.",
         NULL, NULL, NULL},
        {ERROR("EndpointUnavailable", "\"endpoint\":\"docker\",\"errno\":4095"),
         DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ENDPOINT_DOWN, 4095, "docker could not be opened.",
         NULL, NULL, NULL},
        {ERROR("LimitExceeded", "\"limit\":\"LeasesPerUser\",\"retryAfter\":250," COMMON),
         DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, EDQUOT,
         "A limit of the broker, LeasesPerUser, is reached; try again in 250 ms.", "Do this.", NULL,
         "r7"},
        {ERROR("LimitExceeded", "\"limit\":\"LeasesPerUser\",\"retryAfter\":null"),
         DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, EDQUOT,
         "A limit of the broker, LeasesPerUser, is reached.", NULL, NULL, NULL},
        {ERROR("LeaseNotFound", "\"lease\":\"l1\"," COMMON), DOORWARD_DOMAIN_BROKER,
         DOORWARD_ERR_NO_LEASE, ENOENT, "The broker answered LeaseNotFound (l1).", "Do this.", NULL,
         "r7"},
        {ERROR("TimedOut", COMMON), DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
         "Time ran out before there was an answer about full access to docker.", "Do this.", NULL,
         "r7"},
        {"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"m\"}}",
         DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
         "The broker answered MethodNotFound (m).",
         "The broker that runs is older than what this program needs; an administrator can "
         "restart it after an upgrade.",
         NULL, NULL},
        {"{\"error\":\"org.varlink.service.InvalidParameter\","
         "\"parameters\":{\"parameter\":\"p\"}}",
         DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_INVALID_ARG, EINVAL,
         "The broker answered InvalidParameter (p).", NULL, NULL, NULL},
        {"{\"error\":\"org.varlink.service.ExpectedMore\"}", DOORWARD_DOMAIN_BROKER,
         DOORWARD_ERR_PROTOCOL, EPROTO, "The broker answered ExpectedMore.", NULL, NULL, NULL},
        /* A later broker's: what is known of it is said. */
        {ERROR("Weather", "\"rain\":[1,2]," COMMON), DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL,
         EPROTO,
         "The broker refused with an error that this version does not know: "
         "org.doorward.Broker.Weather.",
         "Do this.", NULL, "r7"},
        {ERROR("PermissionDenied", "\"later\":{\"a\":1}"), DOORWARD_DOMAIN_POLICY,
         DOORWARD_ERR_DENIED, EACCES, "Policy does not allow you full access to docker.", NULL,
         NULL, NULL},
        /* What the broker says cannot reach a terminal as it likes. */
        {ERROR("PermissionDenied", "\"hint\":\"\\u001b[2J\\nx\""), DOORWARD_DOMAIN_POLICY,
         DOORWARD_ERR_DENIED, EACCES, "Policy does not allow you full access to docker.", "?[2J x",
         NULL, NULL},
};

static void script_errors(FakeBroker *b) {
        fake_accept(b);
        for (size_t i = 0; i < ELEMENTSOF(error_cases); i++) {
                fake_expect(b, NULL);
                fake_send(b, error_cases[i].json);
        }
        fake_expect(b, NULL);
        fake_send(b, "{}");
        fake_expect_hang_up(b);
}

static void assert_text(const char *text, const char *expected) {
        if (expected)
                assert_string_equal(text, expected);
        else
                assert_null(text);
}

static void test_errors(void **state) {
        Fixture f;

        fixture_start(&f, script_errors, NULL);
        for (size_t i = 0; i < ELEMENTSOF(error_cases); i++) {
                const ErrorCase *c = &error_cases[i];

                assert_int_equal(fixture_call_open(&f), -EREMOTEIO);
                assert_string_equal(f.error.message, c->message);
                assert_int_equal(f.error.domain, c->domain);
                assert_int_equal(f.error.code, c->code);
                assert_int_equal(f.error.errnum, c->errnum);
                if (c->hint || c->code != DOORWARD_ERR_PROTOCOL)
                        assert_text(f.error.hint, c->hint);
                assert_text(f.error.action_id, c->action);
                assert_text(f.error.request_id, c->request);
                assert_string_equal(f.error.endpoint, "docker");
        }

        /* None of them was the wire's end. */
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* None of the interface's errors comes as a surprise, with all that it says or with nothing. */
static void test_every_error_is_known(void **state) {
        for (int id = 1; id < _ERROR_MAX; id++) {
                VarlinkReply reply = {.error = interface_error_name((ErrorId)id)};
                doorward_error error = {};

                assert_int_equal(failure_read(&reply, NULL, &error), 0);
                assert_null(strstr(error.message, "does not know"));
                assert_int_not_equal(error.code, DOORWARD_ERR_OK);
                assert_int_not_equal(error.domain, DOORWARD_DOMAIN_NONE);
                assert_int_equal(error.message[strlen(error.message) - 1], '.');
                doorward_error_clear(&error);
        }
}

/* What cannot be believed. */

typedef struct Hostile {
        const char *bytes;
        size_t n; /* 0: a string and its NUL */
        const char *message;
} Hostile;

#define UNREADABLE "sent a reply that cannot be read"

static const Hostile hostile_replies[] = {
        {"", 0, UNREADABLE},
        {"nonsense", 0, UNREADABLE},
        {"[]", 0, UNREADABLE},
        {"\"text\"", 0, UNREADABLE},
        {"{\"parameters\":{}", 0, UNREADABLE},
        {"{\"parameters\":{}}x", 0, UNREADABLE},
        {"{\"parameters\":{},\"parameters\":{}}", 0, UNREADABLE},
        {"{\"parameters\":{\"a\":1,\"a\":2}}", 0, UNREADABLE},
        {"{\"parameters\":[]}", 0, UNREADABLE},
        {"{\"parameters\":null}", 0, UNREADABLE},
        {"{\"parameters\":{},\"upgraded\":true}", 0, UNREADABLE},
        {"{\"method\":\"" INFO "\"}", 0, UNREADABLE},
        {"{\"continues\":1}", 0, UNREADABLE},
        {"{\"error\":7}", 0, UNREADABLE},
        {"{\"parameters\":{\"a\":\"\xff\"}}", 0, UNREADABLE},
        {"{\"parameters\":{\"a\":\"\\u0000\"}}", 0, UNREADABLE},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]}", 0, UNREADABLE},
        {"{\"continues\":true}", 0, "answered more than it was asked"},
        {ERROR("PermissionDenied", "\"hint\":7"), 0, UNREADABLE},
        {ERROR("PermissionDenied", "\"action\":[]"), 0, UNREADABLE},
        {ERROR("PermissionDenied", "\"requestId\":{}"), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":\"2\""), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":-2"), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":4096"), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":2.5"), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":9223372036854775807"), 0, UNREADABLE},
        {ERROR("EndpointUnavailable", "\"errno\":9223372036854775808"), 0, UNREADABLE},
        {ERROR("AccessUnsupported", "\"access\":\"read-only\""), 0, UNREADABLE},
        {ERROR("LimitExceeded", "\"retryAfter\":-1"), 0, UNREADABLE},
        {ERROR("IdentityProofRequired", ""), 0, UNREADABLE},
        {ERROR("IdentityProofRequired", "\"nonce\":7"), 0, UNREADABLE},
};

static void script_hostile(FakeBroker *b) {
        const Hostile *h = b->data;

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_bytes(b, h->bytes, h->n > 0 ? h->n : strlen(h->bytes) + 1);
        fake_expect_hang_up(b);
}

static void check_hostile(const Hostile *h) {
        Fixture f;

        fixture_start(&f, script_hostile, h);
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -EBADMSG);
        assert_int_equal(f.error.code, DOORWARD_ERR_PROTOCOL);
        assert_int_equal(f.error.domain, DOORWARD_DOMAIN_BROKER);
        assert_int_equal(f.error.errnum, EPROTO);
        if (!strstr(f.error.message, h->message))
                fail_msg("%s: %s", h->bytes, f.error.message);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

static void test_hostile_replies(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(hostile_replies); i++)
                check_hostile(&hostile_replies[i]);
}

/* The largest reply that is taken, and one byte more. */
static void test_large_replies(void **state) {
        char *text = malloc(VARLINK_REPLY_MAX + 1);
        Hostile large = {.bytes = text, .message = "too long"};
        Fixture f;

        assert_non_null(text);
        memset(text, ' ', VARLINK_REPLY_MAX + 1);
        memcpy(text, "{}", 2);

        text[VARLINK_REPLY_MAX - 1] = 0;
        large.n = VARLINK_REPLY_MAX;
        fixture_start(&f, script_hostile, &large);
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), 0);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);

        text[VARLINK_REPLY_MAX - 1] = ' ';
        text[VARLINK_REPLY_MAX] = 0;
        large.n = VARLINK_REPLY_MAX + 1;
        check_hostile(&large);

        /* Without an end at all. */
        text[VARLINK_REPLY_MAX] = ' ';
        check_hostile(&large);
        free(text);
}

static void script_chatty(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_bytes(b, "{}\0{}", 6);
        fake_expect_hang_up(b);
}

/* A reply to nothing would be taken for the reply to the next call. */
static void test_reply_to_nothing(void **state) {
        Fixture f;

        fixture_start(&f, script_chatty, NULL);
        assert_int_equal(fixture_call(&f, METHOD_FORGET), 0);
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -EBADMSG);
        assert_int_equal(f.error.code, DOORWARD_ERR_PROTOCOL);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

/* Hanging up. */

static void script_hang_up(FakeBroker *b) {
        const Hostile *h = b->data;

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send_bytes(b, h->bytes, h->n);
        fake_close(b);
}

static void test_hang_up(void **state) {
        static const Hostile cases[] = {{"", 0}, {"{", 1}, {"{}", 2}};
        Fixture f;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_start(&f, script_hang_up, &cases[i]);
                assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -ECONNRESET);
                assert_int_equal(f.error.code, DOORWARD_ERR_NO_BROKER);
                assert_int_equal(f.error.errnum, ECONNRESET);
                assert_non_null(f.error.hint);
                /* The same call can be made again, if nothing of an answer was there. */
                assert_int_equal(wire_is_unanswered(f.wire), cases[i].n == 0);
                fixture_check_dead(&f);
                fixture_stop(&f);
        }
}

static void script_last_words(FakeBroker *b) {
        fake_accept(b);
        fake_send(b, ERROR("LimitExceeded", "\"limit\":\"Connections\"," COMMON));
        fake_close(b);
}

/* A broker that is full says so and hangs up, perhaps before the call is written. There is no
 * SIGPIPE, which would have ended this process. */
static void test_last_words(void **state) {
        Fixture f;

        assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
        fixture_start(&f, script_last_words, NULL);
        assert_int_equal(pthread_join(f.broker->thread, NULL), 0);
        f.broker->script = NULL;

        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -EREMOTEIO);
        assert_int_equal(f.error.code, DOORWARD_ERR_LIMIT);
        assert_int_equal(fixture_call(&f, METHOD_GET_BROKER_INFO), -ECONNRESET);
        assert_int_equal(f.error.code, DOORWARD_ERR_NO_BROKER);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_more),
                cmocka_unit_test(test_no_parameters_is_no_memory),
                cmocka_unit_test(test_without_waiting),
                cmocka_unit_test(test_sending_without_waiting),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_signals),
                cmocka_unit_test(test_blocking),
                cmocka_unit_test(test_proof),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_every_error_is_known),
                cmocka_unit_test(test_hostile_replies),
                cmocka_unit_test(test_large_replies),
                cmocka_unit_test(test_reply_to_nothing),
                cmocka_unit_test(test_hang_up),
                cmocka_unit_test(test_last_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
