/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/printed.h"

#define CALL(parameters)                                                                           \
        "{\"method\":\"org.doorward.Broker.ListLeases\",\"more\":true,\"parameters\":{" parameters \
        "}}"

#define ID_A "0b1f5c7d9e2a4f3886d1c4a7b9e0f213"
#define ID_B "0b1f5c7d9aaa4f3886d1c4a7b9e0f213"

#define LEASE_A                                                                   \
        "{\"id\":\"" ID_A "\",\"uid\":0,\"pid\":4711,\"command\":\"docker\","     \
        "\"unit\":\"session-3.scope\",\"session\":\"3\",\"endpoint\":\"docker\"," \
        "\"access\":\"full\",\"mode\":\"revocable\",\"since\":1590942493000000,"  \
        "\"expires\":1590946093000000,\"descriptors\":200,\"kept\":true,"         \
        "\"connectAs\":\"service\"}"
#define LEASE_B                                                                             \
        "{\"id\":\"" ID_B "\",\"uid\":4123456789,\"pid\":5,\"command\":\"x\\u001b[31m y\"," \
        "\"session\":\"9\",\"endpoint\":\"serial@ttyUSB0\",\"access\":\"read_only\","       \
        "\"mode\":\"tracked\",\"since\":1590942493000000,\"descriptors\":1,\"kept\":false}"

#define MORE(lease) "{\"continues\":true,\"parameters\":{\"lease\":" lease ",\"requestId\":\"r\"}}"
#define LAST(lease) "{\"parameters\":{\"lease\":" lease ",\"requestId\":\"r\"}}"
#define NO_MORE "{\"parameters\":{\"requestId\":\"r\"}}"

static const Exchange one[] = {{CALL(""), {LAST(LEASE_A)}}, {}};
static const Exchange two[] = {{CALL(""), {MORE(LEASE_A), MORE(LEASE_B), NO_MORE}}, {}};
#define CONNECT_AS(who)                                                               \
        "{\"id\":\"" ID_A "\",\"uid\":0,\"pid\":4711,\"command\":\"psql\","           \
        "\"endpoint\":\"pg\",\"access\":\"full\",\"mode\":\"revocable\",\"since\":1," \
        "\"descriptors\":1,\"kept\":true,\"connectAs\":" who "}"

static const Exchange as_client[] = {{CALL(""), {LAST(CONNECT_AS("\"client\""))}}, {}};
static const Exchange as_other[] = {{CALL(""), {LAST(CONNECT_AS("\"reader\""))}}, {}};
static const Exchange as_null[] = {{CALL(""), {LAST(CONNECT_AS("null"))}}, {}};
static const Exchange as_number[] = {{CALL(""), {LAST(CONNECT_AS("5"))}}, {}};
#define BEGAN(digit, since)                                                                      \
        "{\"id\":\"" digit "b1f5c7d9e2a4f3886d1c4a7b9e0f213\",\"uid\":0,\"pid\":1,"              \
        "\"command\":\"sh\",\"endpoint\":\"docker\",\"access\":\"full\",\"mode\":\"revocable\"," \
        "\"since\":" since ",\"descriptors\":1,\"kept\":true}"

static const Exchange mixed[] = {
        {CALL(""),
         {MORE(BEGAN("c", "1590942493000002")), MORE(BEGAN("e", "1590942493000003")),
          MORE(BEGAN("a", "1590942493000003")), MORE(BEGAN("d", "1590942493000001")),
          LAST(BEGAN("b", "1590942493000003"))}},
        {},
};
static const Exchange none[] = {{CALL(""), {NO_MORE}}, {}};
static const Exchange all[] = {{CALL("\"all\":true"), {MORE(LEASE_A), LAST(LEASE_B)}}, {}};
static const Exchange refused[] = {
        {CALL("\"all\":true"),
         {"{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{"
          "\"action\":\"org.doorward.manage-leases\",\"hint\":\"Ask nicely.\","
          "\"requestId\":\"5f0c31b2a7d94e66\"}}"}},
        {},
};

static void run(Printed *printed, unsigned given, JsonMode json, const Exchange *exchanges) {
        Options options = {.given = given, .json = json, .fd = -EBADF};

        printed_run(printed, command_leases, &options, NULL, printed_script, exchanges);
}

static void test_table(void **state) {
        Printed p;

        run(&p, 0, JSON_OFF, one);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.out,
                            "ID       USER PID  COMMAND WHERE           ENDPOINT ACCESS MODE      "
                            "CONNECT-AS SINCE               UNTIL               FDS KEPT\n"
                            "0b1f5c7d root 4711 docker  session-3.scope docker   full   revocable "
                            "service    2020-05-31 16:28:13 2020-05-31 17:28:13 200 yes\n");
        assert_string_equal(p.err, "");
}

/* As many digits as tell them apart; a user without a name; nothing that a terminal obeys; and one
 * line on what the end of a tracked lease does not do. */
static void test_two(void **state) {
        Printed p;

        run(&p, 0, JSON_OFF, two);
        assert_int_equal(p.status, 0);
        assert_non_null(strstr(p.out, "\n0b1f5c7d9e root "));
        assert_non_null(strstr(p.out, "\n0b1f5c7d9a 4123456789 5    x?[31m y 9  "));
        assert_non_null(strstr(
                p.out, " serial@ttyUSB0 read-only tracked   -          2020-05-31 16:28:13 -"));
        assert_non_null(strstr(p.out, " 1   no\n\nThe end of a tracked lease is recorded, but "));
        assert_non_null(strstr(p.out, "cannot recall what was handed over.\n"));
}

/* Whom the service sees: of a client the user's name stands there, and --json has the broker's
 * word. */
static void test_connect_as(void **state) {
        Printed p;

        run(&p, 0, JSON_OFF, as_client);
        assert_non_null(strstr(p.out, " revocable root       1970-"));
        run(&p, 0, JSON_SHORT, as_client);
        assert_non_null(strstr(p.out, "\"connectAs\":\"client\""));
        run(&p, 0, JSON_OFF, as_other);
        assert_non_null(strstr(p.out, " revocable reader     1970-"));
        run(&p, 0, JSON_OFF, as_null);
        assert_non_null(strstr(p.out, " revocable -          1970-"));
        run(&p, 0, JSON_OFF, as_number);
        assert_int_not_equal(p.status, 0);
        assert_string_equal(p.out, "");
}

static void test_no_legend(void **state) {
        Printed p;

        run(&p, OPTION_NO_LEGEND | OPTION_ALL, JSON_OFF, all);
        assert_int_equal(p.status, 0);
        assert_ptr_equal(strstr(p.out, "0b1f5c7d9e"), p.out);
        assert_null(strstr(p.out, "tracked lease"));

        run(&p, OPTION_NO_LEGEND, JSON_OFF, none);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.out, "");
}

static void test_none(void **state) {
        Printed p;

        run(&p, 0, JSON_OFF, none);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.out, "No leases.\n");
        run(&p, OPTION_JSON, JSON_SHORT, none);
        assert_string_equal(p.out, "[]\n");
}

/* As the wire has them. */
static void test_json(void **state) {
        json_t *expected = json_loads("[" LEASE_A "," LEASE_B "]", 0, NULL), *got;
        Printed p;

        run(&p, OPTION_JSON, JSON_SHORT, two);
        assert_int_equal(p.status, 0);
        got = json_loads(p.out, 0, NULL);
        assert_true(json_equal(got, expected));
        assert_ptr_equal(strchr(p.out, '\n'), p.out + strlen(p.out) - 1);
        json_decref(got);
        json_decref(expected);
}

/* The oldest first, and of two that began at once the one that the broker told first. */
static void test_order(void **state) {
        static const char order[] = "dceab";
        json_t *got;
        Printed p;

        run(&p, 0, JSON_OFF, mixed);
        assert_int_equal(p.status, 0);
        for (size_t i = 0, line = 0; order[i]; i++) {
                line += strcspn(p.out + line, "\n") + 1;
                assert_int_equal(p.out[line], order[i]);
        }

        run(&p, OPTION_JSON, JSON_SHORT, mixed);
        assert_int_equal(p.status, 0);
        got = json_loads(p.out, 0, NULL);
        assert_int_equal(json_array_size(got), strlen(order));
        for (size_t i = 0; order[i]; i++) {
                json_t *id = json_object_get(json_array_get(got, i), "id");

                assert_int_equal(json_string_value(id)[0], order[i]);
        }
        json_decref(got);
}

static void test_refused(void **state) {
        Printed p;

        run(&p, OPTION_ALL, JSON_OFF, refused);
        assert_int_equal(p.status, 90);
        assert_string_equal(p.out, "");
        assert_non_null(strstr(p.err, "doorward: Policy does not allow you to see or end what "));
        assert_non_null(strstr(p.err, "Hint: Ask nicely.\n"));
        assert_non_null(strstr(p.err, "Request: 5f0c31b2a7d94e66 "));

        run(&p, OPTION_ALL | OPTION_JSON, JSON_SHORT, refused);
        assert_int_equal(p.status, 90);
        assert_non_null(strstr(p.out, "\"action\":\"org.doorward.manage-leases\""));
        assert_string_equal(p.err, "");
}

static void test_unreadable(void **state) {
        static const char *const replies[] = {
                LAST("{}"),
                LAST("7"),
                "{\"parameters\":{\"lease\":{\"id\":\"x\"}}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                const Exchange wrong[] = {{CALL(""), {replies[i]}}, {}};
                Printed p;

                run(&p, 0, JSON_OFF, wrong);
                assert_int_equal(p.status, 87);
                assert_string_equal(p.out, "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),      cmocka_unit_test(test_two),
                cmocka_unit_test(test_connect_as), cmocka_unit_test(test_no_legend),
                cmocka_unit_test(test_none),       cmocka_unit_test(test_json),
                cmocka_unit_test(test_order),      cmocka_unit_test(test_refused),
                cmocka_unit_test(test_unreadable),
        };

        if (setenv("TZ", "UTC0", 1) < 0)
                return 1;
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
