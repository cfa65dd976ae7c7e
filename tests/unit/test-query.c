/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/query.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

#define LIST_CALL \
        "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":{},\"more\":true}"
#define INFO_CALL "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}"
#define TOO_MANY 10001

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        return 0;
}

static int teardown(void **state) {
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

/* One question, on a wire that is gone with the answer. */

static void script_call(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, INFO_CALL);
        fake_send(b, b->data);
        fake_expect_hang_up(b);
}

static void test_call(void **state) {
        FakeBroker *broker = fake_broker_start(script_call, "{\"parameters\":{\"version\":\"1\"}}");
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        doorward_error error = {};

        assert_int_equal(query_call(NULL, METHOD_GET_BROKER_INFO, json_object(), &reply, &error),
                         0);
        assert_string_equal(json_string_value(json_object_get(reply.parameters, "version")), "1");
        fake_broker_stop(broker);
}

static void test_call_refused(void **state) {
        FakeBroker *broker =
                fake_broker_start(script_call, "{\"error\":\"org.doorward.Broker.LimitExceeded\","
                                               "\"parameters\":{\"limit\":\"RequestRate\","
                                               "\"hint\":\"Wait.\",\"requestId\":\"r7\"}}");
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        doorward_error error = {};

        assert_int_equal(query_call(NULL, METHOD_GET_BROKER_INFO, json_object(), &reply, &error),
                         -EREMOTEIO);
        assert_int_equal(error.code, DOORWARD_ERR_LIMIT);
        assert_string_equal(error.hint, "Wait.");
        assert_string_equal(error.request_id, "r7");
        doorward_error_clear(&error);
        fake_broker_stop(broker);
}

/* Nobody is there: the parameters are taken all the same, which a leak would show. */
static void test_no_broker(void **state) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        doorward_error error = {};

        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        assert_int_equal(query_call(NULL, METHOD_GET_BROKER_INFO, json_pack("{s:s}", "a", "b"),
                                    &reply, &error),
                         -ENOENT);
        assert_int_equal(error.code, DOORWARD_ERR_NO_BROKER);
        doorward_error_clear(&error);
}

/* Lists. */

typedef struct ListCase {
        const char *const *replies;
        int expected;
        size_t n;
        const char *text;
} ListCase;

static void script_list(FakeBroker *b) {
        const ListCase *c = b->data;

        fake_accept(b);
        fake_expect(b, LIST_CALL);
        for (const char *const *reply = c->replies; *reply; reply++)
                fake_send(b, *reply);
        if (c->expected == -ECONNRESET)
                fake_close(b);
        else
                fake_expect_hang_up(b);
}

static int list(json_t **ret, doorward_error *error) {
        _cleanup_(query_end) Query query = QUERY_NULL;
        int r;

        r = query_begin(&query, NULL, error);
        if (r == 0)
                r = query_list(&query, METHOD_LIST_ENDPOINTS, json_object(), "endpoint", ret,
                               error);
        return r;
}

static void check_list(const ListCase *c) {
        FakeBroker *broker = fake_broker_start(script_list, c);
        doorward_error error = {};
        json_t *array = NULL;
        int r;

        r = list(&array, &error);
        if (r != c->expected)
                fail_msg("%s: %d, %s", c->replies[0], r, error.message ?: "");
        if (r == 0)
                assert_int_equal(json_array_size(array), c->n);
        else
                assert_null(array);
        if (c->text && !strstr(error.message, c->text))
                fail_msg("%s: %s", c->replies[0], error.message);
        json_decref(array);
        doorward_error_clear(&error);
        fake_broker_stop(broker);
}

#define ONE(name, rest) "{\"parameters\":{\"endpoint\":{\"name\":\"" name "\"}}" rest "}"
#define MORE ",\"continues\":true"

static void test_list(void **state) {
        static const char *const three[] = {ONE("a", MORE), ONE("b", MORE), ONE("c", ""), NULL};
        static const char *const none[] = {"{\"parameters\":{}}", NULL};
        static const char *const no_more[] = {ONE("a", MORE), "{}", NULL};
        static const char *const no_object[] = {ONE("a", MORE),
                                                "{\"parameters\":{\"endpoint\":\"b\"}}", NULL};
        static const char *const refused[] = {
                ONE("a", MORE), "{\"error\":\"org.doorward.Broker.TimedOut\",\"parameters\":{}}",
                NULL};
        static const ListCase cases[] = {
                {three, 0, 3, NULL},
                {none, 0, 0, NULL},
                {no_more, 0, 1, NULL},
                {no_object, -EBADMSG, 0, "a list that cannot be read"},
                {refused, -EREMOTEIO, 0, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_list(&cases[i]);
}

/* One that does not end is not believed for ever. */
static void test_endless(void **state) {
        static const char *replies[TOO_MANY + 1];
        static const ListCase endless = {replies, -EBADMSG, 0, "a list that is too long"};

        for (size_t i = 0; i < TOO_MANY; i++)
                replies[i] = ONE("a", MORE);
        check_list(&endless);
}

/* Two questions, one wire. */

static void script_two(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, INFO_CALL);
        fake_send(b, "{\"parameters\":{\"version\":\"1\"}}");
        fake_expect(b, LIST_CALL);
        fake_send(b, "{\"parameters\":{}}");
        fake_expect_hang_up(b);
}

static void test_two(void **state) {
        FakeBroker *broker = fake_broker_start(script_two, NULL);
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        doorward_error error = {};
        json_t *array = NULL;
        Query query = QUERY_NULL;

        assert_int_equal(query_begin(&query, NULL, &error), 0);
        assert_int_equal(query_ask(&query, METHOD_GET_BROKER_INFO, json_object(), &reply, &error),
                         0);
        assert_int_equal(query_list(&query, METHOD_LIST_ENDPOINTS, json_object(), "endpoint",
                                    &array, &error),
                         0);
        assert_int_equal(json_array_size(array), 0);
        json_decref(array);
        query_end(&query);
        query_end(&query);
        fake_broker_stop(broker);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_call), TEST(test_call_refused), TEST(test_no_broker),
                TEST(test_list), TEST(test_endless),      TEST(test_two),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
