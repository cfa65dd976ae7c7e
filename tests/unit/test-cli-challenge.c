/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/challenge.h"
#include "common/terms.h"
#include "tests/support/fake-broker.h"

static void test_whose(void **state) {
        assert_int_equal(challenge_whose("auth_self"), WHOSE_OWN);
        assert_int_equal(challenge_whose("auth_self_keep"), WHOSE_OWN);
        assert_int_equal(challenge_whose("auth_admin"), WHOSE_ADMIN);
        assert_int_equal(challenge_whose("auth_admin_keep"), WHOSE_ADMIN);
        assert_int_equal(challenge_whose("yes"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_whose("no"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_whose(NULL), WHOSE_UNKNOWN);
}

static void test_default_here(void **state) {
        ChallengeDefaults defaults = {"active", "a", "b", NULL};

        assert_null(challenge_default_here(&defaults));
        defaults.session_class = "inactive";
        assert_string_equal(challenge_default_here(&defaults), "b");
        defaults.session_class = "any";
        assert_string_equal(challenge_default_here(&defaults), "a");
        defaults.session_class = "of-a-later-version";
        assert_string_equal(challenge_default_here(&defaults), "a");
}

/* What the broker is asked and answers, in turn; ended by an empty one. */
typedef struct Exchange {
        const char *call;
        const char *reply;
} Exchange;

static void script(FakeBroker *b) {
        fake_accept(b);
        for (const Exchange *e = b->data; e->call; e++) {
                fake_expect(b, e->call);
                fake_send(b, e->reply);
        }
        fake_expect_hang_up(b);
}

#define EXPLAIN(name, access)                                          \
        "{\"method\":\"org.doorward.Broker.Explain\",\"parameters\":{" \
        "\"endpoint\":\"" name "\",\"access\":\"" access "\"}}"
#define DEFAULTS(any) "{\"parameters\":{\"sessionClass\":\"any\",\"defaultAny\":\"" any "\"}}"

static const Exchange some[] = {
        {EXPLAIN("docker", "full"), DEFAULTS("auth_admin")},
        {EXPLAIN("docker", "read_only"), DEFAULTS("auth_self")},
        {EXPLAIN("kvm", "full"), DEFAULTS("yes")},
        {EXPLAIN("serial@ttyS0", "full"), DEFAULTS("auth_admin")},
        {EXPLAIN("nameless", "full"), DEFAULTS("auth_self")},
        {EXPLAIN("nameless", "full"), DEFAULTS("auth_admin")},
        {},
};

/* One question for each action; an instance will do for a template. */
static void test_find(void **state) {
        FakeBroker *broker = fake_broker_start(script, some);
        ChallengeFinder *f = challenge_finder_new();
        json_t *patterns = json_pack("[s, s]", "ttyS*", "ttyUSB*");

        assert_non_null(f);
        assert_int_equal(challenge_find(f, "docker", NULL, ACCESS_FULL, "a"), WHOSE_ADMIN);
        assert_int_equal(challenge_find(f, "docker", NULL, ACCESS_READ_ONLY, "b"), WHOSE_OWN);
        assert_int_equal(challenge_find(f, "podman", NULL, ACCESS_FULL, "a"), WHOSE_ADMIN);
        assert_int_equal(challenge_find(f, "podman", NULL, ACCESS_FULL, "b"), WHOSE_OWN);
        assert_int_equal(challenge_find(f, "kvm", NULL, ACCESS_FULL, "c"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "kvm", NULL, ACCESS_READ_ONLY, "c"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "serial@", patterns, ACCESS_FULL, "d"), WHOSE_ADMIN);
        assert_int_equal(challenge_find(f, "serial@", NULL, ACCESS_FULL, "e"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "nameless", NULL, ACCESS_FULL, NULL), WHOSE_OWN);
        assert_int_equal(challenge_find(f, "nameless", NULL, ACCESS_FULL, NULL), WHOSE_ADMIN);

        json_decref(patterns);
        assert_null(challenge_finder_free(f));
        fake_broker_stop(broker);
}

static const Exchange refused[] = {
        {EXPLAIN("gone", "full"),
         "{\"error\":\"org.doorward.Broker.EndpointNotFound\",\"parameters\":{\"endpoint\":"
         "\"gone\",\"requestId\":\"r\"}}"},
        {EXPLAIN("docker", "full"), DEFAULTS("auth_admin")},
        {EXPLAIN("kvm", "full"),
         "{\"error\":\"org.doorward.Broker.LimitExceeded\",\"parameters\":{\"limit\":"
         "\"RequestRate\",\"requestId\":\"r\"}}"},
        {},
};

/* Who asks too much is not to ask on. */
static void test_refused(void **state) {
        FakeBroker *broker = fake_broker_start(script, refused);
        ChallengeFinder *f = challenge_finder_new();

        assert_non_null(f);
        assert_int_equal(challenge_find(f, "gone", NULL, ACCESS_FULL, "g"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "docker", NULL, ACCESS_FULL, "a"), WHOSE_ADMIN);
        assert_int_equal(challenge_find(f, "kvm", NULL, ACCESS_FULL, "c"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "tun", NULL, ACCESS_FULL, "t"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "podman", NULL, ACCESS_FULL, "a"), WHOSE_ADMIN);

        assert_null(challenge_finder_free(f));
        fake_broker_stop(broker);
}

static void test_no_broker(void **state) {
        ChallengeFinder *f = challenge_finder_new();

        assert_non_null(f);
        assert_int_equal(setenv("DOORWARD_SOCKET", "/proc/nonexistent/broker", 1), 0);
        assert_int_equal(challenge_find(f, "docker", NULL, ACCESS_FULL, "a"), WHOSE_UNKNOWN);
        assert_int_equal(challenge_find(f, "docker", NULL, ACCESS_FULL, "a"), WHOSE_UNKNOWN);
        assert_int_equal(unsetenv("DOORWARD_SOCKET"), 0);
        assert_null(challenge_finder_free(f));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whose),     cmocka_unit_test(test_default_here),
                cmocka_unit_test(test_find),      cmocka_unit_test(test_refused),
                cmocka_unit_test(test_no_broker),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
