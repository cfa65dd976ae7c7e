/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/record.h"
#include "cli/suggest.h"
#include "cli/suggestion.h"
#include "policy/timespan.h"

#define DOCKER "org.doorward.endpoint.docker.full"
#define MARCH (UINT64_C(1806451200) * USEC_PER_SEC) /* 2027-03-31 */

/* Names as a directory can have them. */
static int find_name(uid_t uid, char **ret) {
        static const struct {
                uid_t uid;
                const char *name;
        } users[] = {{1000, "alice"}, {1001, "bob"}, {1002, "CORP\\o\"neil"}};

        *ret = NULL;
        for (size_t i = 0; i < ELEMENTSOF(users); i++)
                if (users[i].uid == uid)
                        *ret = strdup(users[i].name);
        return 0;
}

static Suggestion suggestion_new(void) {
        return (Suggestion){.until = MARCH + 3600 * USEC_PER_SEC, .find_name = find_name};
}

static SuggestionRecord record(const char *uid, const char *policy) {
        return (SuggestionRecord){
                .endpoint = "docker",
                .access = "full",
                .action = DOCKER,
                .how = "observed",
                .policy = policy,
                .uid = uid,
                .unit = "session-3.scope",
                .time = MARCH,
        };
}

static void add(Suggestion *suggestion, SuggestionRecord r) {
        assert_int_equal(suggestion_add(suggestion, &r), 0);
}

/* The rules alone, without the heading. */
static char *print_rules(Suggestion *suggestion) {
        char *text = NULL, *copy;
        const char *rules;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        suggestion_sort(suggestion);
        suggestion_print(suggestion, f);
        assert_int_equal(fclose(f), 0);

        rules = strstr(text, "\n\n");
        assert_non_null(rules);
        copy = strdup(rules + 2);
        free(text);
        return copy;
}

static void test_rule(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        _cleanup_free_ char *text = NULL;
        SuggestionRecord later = record("1001", "denied");

        later.time += 61 * USEC_PER_SEC;
        later.unit = "ci.service";
        add(&suggestion, later);
        add(&suggestion, record("1001", "challenge"));
        add(&suggestion, record("1000", "unavailable"));

        text = print_rules(&suggestion);
        assert_string_equal(
                text,
                "// docker, full access\n"
                "polkit.addRule(function(action, subject) {\n"
                "    if (action.id !== \"" DOCKER "\" ||\n"
                "        action.lookup(\"endpoint\") !== \"docker\" ||\n"
                "        action.lookup(\"instance\") ||\n"
                "        action.lookup(\"user\"))\n"
                "        return polkit.Result.NOT_HANDLED;\n"
                "    switch (subject.user) {\n"
                "    case \"alice\": // 1 time, last 2027-03-31T00:00:00Z; polkit: 1 unavailable; "
                "in "
                "session-3.scope\n"
                "    case \"bob\": // 2 times, last 2027-03-31T00:01:01Z; polkit: 1 challenge, 1 "
                "denied; in ci.service, session-3.scope\n"
                "        return polkit.Result.YES;\n"
                "    }\n"
                "    return polkit.Result.NOT_HANDLED;\n"
                "});\n");
}

/* Whatever the order in which the records come, and whoever else has something. */
static void test_order(void **state) {
        static const char *const endpoints[] = {"serial@ttyS1", "serial@ttyS0", "docker"};
        static const char *const uids[] = {"1001", "1000"};
        _cleanup_free_ char *texts[2] = {};

        for (size_t round = 0; round < 2; round++) {
                _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();

                for (size_t i = 0; i < 6; i++) {
                        size_t j = round == 0 ? i : 5 - i;
                        SuggestionRecord r = record(uids[j % 2], "challenge");

                        r.endpoint = endpoints[j / 2];
                        r.action = "org.doorward.full";
                        add(&suggestion, r);
                }
                texts[round] = print_rules(&suggestion);
        }

        assert_string_equal(texts[0], texts[1]);
        free(texts[1]);
        texts[1] = NULL;
        assert_non_null(strstr(texts[0], "action.lookup(\"instance\") !== \"ttyS0\""));
        assert_true(strstr(texts[0], "// docker") < strstr(texts[0], "// serial@ttyS0"));
        assert_true(strstr(texts[0], "// serial@ttyS0") < strstr(texts[0], "// serial@ttyS1"));
}

/* Who has no name that lasts, and whom polkit lets in anyway, is in no rule. */
static void test_no_rule(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        _cleanup_free_ char *text = NULL;

        add(&suggestion, record("4711", "denied"));
        add(&suggestion, record("1000", "authorized"));
        text = print_rules(&suggestion);
        assert_null(strstr(text, "addRule"));
        assert_non_null(strstr(text, "nothing that a rule would have to allow"));
        assert_non_null(strstr(text, "//   docker, full access: uid 4711, 1 time"));
        assert_non_null(strstr(text, "needs no rule for it:\n//   docker, full access: uid 1000 "
                                     "(alice), 1 time"));

        /* Sometimes is not always. */
        add(&suggestion, record("1000", "challenge"));
        free(text);
        text = print_rules(&suggestion);
        assert_non_null(strstr(text, "case \"alice\": // 2 times"));
        assert_null(strstr(text, "needs no rule"));
}

/* What is of no grant that was observed, and what doorward never writes. */
static void test_left_out(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        SuggestionRecord bad[17];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                bad[i] = record("1000", "challenge");
        bad[n++].how = "implicit";
        bad[n++].how = "challenged";
        bad[n++].how = NULL;
        bad[n++].policy = NULL;
        bad[n++].policy = "YES";
        bad[n++].uid = "alice";
        bad[n++].uid = "4294967295";
        bad[n++].uid = "-1";
        bad[n++].uid = "";
        bad[n++].access = "write";
        bad[n++].access = NULL;
        bad[n++].endpoint = "docker\"); evil(\"";
        bad[n++].endpoint = NULL;
        bad[n++].action = "org.freedesktop.systemd1.manage-units";
        bad[n++].action = "org.doorward.endpoint.docker.read-only";
        bad[n++].action = "org.doorward.endpoint.podman.full";
        bad[n++].time = suggestion.until + 1;
        assert_int_equal(n, ELEMENTSOF(bad));

        for (size_t i = 0; i < n; i++)
                add(&suggestion, bad[i]);
        assert_int_equal(suggestion.n_uses, 0);
}

static void test_period_and_endpoint(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        SuggestionRecord r = record("1000", "challenge");

        suggestion.since = MARCH;
        suggestion.only = "serial";
        add(&suggestion, r);
        r.endpoint = "serial@ttyS0";
        r.action = "org.doorward.endpoint.serial.full";
        add(&suggestion, r);
        r.time = MARCH - 1;
        add(&suggestion, r);
        assert_int_equal(suggestion.n_uses, 1);
        assert_int_equal(suggestion.uses[0].n, 1);

        suggestion.only = "serial@ttyS1";
        r.time = MARCH;
        add(&suggestion, r);
        assert_int_equal(suggestion.uses[0].n, 1);
}

/* A name is a string to polkit, whatever it has, and a unit's name ends no comment. */
static void test_names(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        SuggestionRecord r = record("1002", "challenge");
        _cleanup_free_ char *text = NULL;

        r.unit = "x\n}); polkit.addRule(function() { return polkit.Result.YES; });//.service";
        add(&suggestion, r);
        text = print_rules(&suggestion);
        assert_non_null(strstr(text, "case \"CORP\\\\o\\\"neil\": // 1 time"));
        assert_null(strstr(text, "function()"));
}

static void test_units(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        static const char *const units[] = {"f", "b", "e", "a", "d", "c", "b"};
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                SuggestionRecord r = record("1000", "challenge");

                r.unit = units[i];
                add(&suggestion, r);
        }
        text = print_rules(&suggestion);
        assert_non_null(strstr(text,
                               "7 times, last 2027-03-31T00:00:00Z; polkit: 7 challenge; in a, "
                               "b, c, d ...\n"));
}

static void test_json(void **state) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = suggestion_new();
        json_t *array, *use;

        add(&suggestion, record("1000", "denied"));
        add(&suggestion, record("4711", "denied"));
        suggestion_sort(&suggestion);
        array = suggestion_to_json(&suggestion);
        assert_int_equal(json_array_size(array), 2);
        use = json_array_get(array, 1);
        assert_string_equal(json_string_value(json_object_get(use, "user")), "alice");
        assert_true(json_is_true(json_object_get(use, "rule")));
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(use, "policy"), "denied")), 1);
        use = json_array_get(array, 0);
        assert_true(json_is_null(json_object_get(use, "user")));
        assert_true(json_is_false(json_object_get(use, "rule")));
        json_decref(array);
}

/* It is the broker's. */
static void test_message_id(void **state) {
        assert_string_equal(SUGGEST_MESSAGE_ID, RECORD_ID_GRANTED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rule),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_no_rule),
                cmocka_unit_test(test_left_out),
                cmocka_unit_test(test_period_and_endpoint),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_units),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_message_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
