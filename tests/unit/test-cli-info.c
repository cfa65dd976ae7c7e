/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/printed.h"

#define INFO(rest)                                                                            \
        "{\"parameters\":{\"version\":\"9.8.7\",\"protocol\":1,\"identityProof\":false,"      \
        "\"polkit\":\"polkit 122\",\"features\":[\"fdstore\"],\"limits\":{\"LeasesPerUser\":" \
        "16,\"LeasesMax\":99},\"warnings\":[\"one\",\"two\"]" rest "}}"

static void run(Printed *p, const char *info, JsonMode json) {
        const Exchange exchanges[] = {
                {"{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}", {info}},
                {},
        };
        Options options = {.fd = -EBADF, .json = json};

        printed_run(p, command_info, &options, NULL, printed_script, exchanges);
}

static void expect_in(const Printed *p, const char *text) {
        if (!strstr(p->out, text))
                fail_msg("no '%s' in\n%s", text, p->out);
}

/* Limits, with what is had of those that are counted by user. */
static void test_text(void **state) {
        Printed p;

        run(&p, INFO(",\"use\":{\"LeasesPerUser\":3}"), JSON_OFF);
        assert_int_equal(p.status, 0);
        expect_in(&p, "      Broker: 9.8.7\n");
        expect_in(&p, "      Policy: polkit 122\n");
        expect_in(&p, "    Features: fdstore\n");
        expect_in(&p, "    Warnings: one\n              two\n");
        expect_in(&p, "      Limits: what you have, and may have\n"
                      "              LeasesPerUser=3 of 16\n"
                      "              LeasesMax=99\n");
}

/* An older broker tells what there may be, and nothing of what there is. */
static void test_older(void **state) {
        Printed p;

        run(&p, INFO(""), JSON_OFF);
        assert_int_equal(p.status, 0);
        expect_in(&p, "      Limits:\n              LeasesPerUser=16\n");
}

static void test_json(void **state) {
        Printed p;

        run(&p, INFO(",\"use\":{\"LeasesPerUser\":3}"), JSON_SHORT);
        assert_int_equal(p.status, 0);
        expect_in(&p, "\"use\":{\"LeasesPerUser\":3}");
}

static void test_unreadable(void **state) {
        Printed p;

        run(&p, INFO(",\"use\":{\"LeasesPerUser\":\"3\"}"), JSON_OFF);
        assert_int_equal(p.status, 87);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_older),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
