/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "config.h"
#include "tests/support/printed.h"

#define INFO_CALL "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}"
#define LIST_CALL                                                           \
        "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":" \
        "{\"decisions\":true},\"more\":true}"
#define INFO_HEAD "{\"parameters\":{\"version\":\"9.8.7\",\"protocol\":1,\"identityProof\":false,"
#define INFO                                                                         \
        INFO_HEAD "\"polkit\":\"polkit 122\",\"features\":[\"pidfd\",\"fdstore\"],"  \
                  "\"polkitFeatures\":[\"temporary-authorization\"],\"mechanisms\":" \
                  "[\"agent\",\"conversation\"]}}"
#define OLD_INFO INFO_HEAD "\"features\":[]}}"
#define ENDPOINT(name, read_only, full, rest)                                          \
        "{\"parameters\":{\"endpoint\":{\"name\":\"" name "\",\"readOnly\":" read_only \
        ",\"full\":" full "}}" rest "}"
#define NONE "{\"provided\":false}"
#define YES "{\"provided\":true,\"decision\":\"authorized\"}"
#define PASSWORD "{\"provided\":true,\"decision\":\"challenge\"}"

static void run(Printed *p, const char *info, const char *const *list, JsonMode json) {
        Options options = {.fd = -EBADF, .json = json};
        Exchange exchanges[] = {{INFO_CALL, {info}}, {LIST_CALL, {list[0], list[1]}}, {}};

        printed_run(p, command_capabilities, &options, NULL, printed_script, exchanges);
}

static void expect_in(const Printed *p, const char *text) {
        if (!strstr(p->out, text))
                fail_msg("no '%s' in\n%s", text, p->out);
}

static void test_text(void **state) {
        static const char *const list[] = {
                ENDPOINT("docker", NONE, PASSWORD, ",\"continues\":true"),
                ENDPOINT("bad\\u001b[2J", YES, YES, "")};
        Printed p;

        run(&p, INFO, list, JSON_OFF);
        assert_int_equal(p.status, 0);
        expect_in(&p, "     Machine: ");
        expect_in(&p, ", pidfd\n");
        expect_in(&p, "     Library: " VERSION "\n");
        expect_in(&p, "      Broker: 9.8.7, org.doorward.Broker (1) at ");
        expect_in(&p, "    Features: pidfd, fdstore\n");
        expect_in(&p, "      Policy: polkit 122\n              temporary-authorization\n");
        expect_in(&p, "   Passwords: agent, conversation\n");
        expect_in(&p, "   Endpoints: docker: read-only n/a, full password\n"
                      "              bad?[2J: read-only yes, full yes\n");
}

/* An older broker says less, and polkit may not have been reached. */
static void test_less(void **state) {
        static const char *const list[] = {"{\"parameters\":{}}", NULL};
        Printed p;

        run(&p, OLD_INFO, list, JSON_OFF);
        assert_int_equal(p.status, 0);
        expect_in(&p, "    Features: none\n");
        expect_in(&p, "      Policy: polkit was not reached yet\n");
        expect_in(&p, "   Passwords: how they are asked for is not known\n");
        assert_null(strstr(p.out, "Endpoints"));
}

static void test_json(void **state) {
        static const char *const list[] = {ENDPOINT("docker", NONE, YES, ""), NULL};
        Printed p;

        run(&p, INFO, list, JSON_SHORT);
        assert_int_equal(p.status, 0);
        expect_in(&p, "\"library\":{\"version\":\"" VERSION "\"}");
        expect_in(&p, "\"kernel\":{\"pidfd\":true,\"peerPidfd\":false}");
        expect_in(&p, "\"endpoints\":[{\"name\":\"docker\",");
}

static void test_unreadable(void **state) {
        static const char *const list[] = {"{\"parameters\":{\"endpoint\":{\"name\":\"docker\"}}}",
                                           NULL};
        Options options = {.fd = -EBADF};
        static const Exchange refused[] = {
                {INFO_CALL, {"{\"parameters\":{\"version\":1}}"}},
                {},
        };
        Printed p;

        run(&p, INFO, list, JSON_OFF);
        assert_int_equal(p.status, 87);
        printed_run(&p, command_capabilities, &options, NULL, printed_script, refused);
        assert_int_equal(p.status, 87);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_less),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
