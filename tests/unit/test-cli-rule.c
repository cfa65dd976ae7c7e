/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/rule.h"

static void assert_rule(const RuleSpec *spec, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        assert_non_null(f);
        rule_print(f, spec);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, expected);
}

static void test_own_action(void **state) {
        const RuleSpec spec = {
                .action = "org.doorward.endpoint.docker.full",
                .user = "bob",
                .result = "YES",
        };

        assert_rule(&spec, "polkit.addRule(function(action, subject) {\n"
                           "    if (action.id == \"org.doorward.endpoint.docker.full\" &&\n"
                           "        subject.user == \"bob\")\n"
                           "        return polkit.Result.YES;\n"
                           "});\n");
}

static void test_shared_action(void **state) {
        const RuleSpec spec = {
                .action = "org.doorward.read-only",
                .endpoint = "serial",
                .instance = "ttyUSB0",
                .user = "CORP\\o\"neil",
                .result = "NO",
        };

        assert_rule(&spec, "polkit.addRule(function(action, subject) {\n"
                           "    if (action.id == \"org.doorward.read-only\" &&\n"
                           "        action.lookup(\"endpoint\") == \"serial\" &&\n"
                           "        action.lookup(\"instance\") == \"ttyUSB0\" &&\n"
                           "        subject.user == \"CORP\\\\o\\\"neil\")\n"
                           "        return polkit.Result.NO;\n"
                           "});\n");
}

static void assert_path(const char *text, Access access, const char *user, const char *expected) {
        _cleanup_free_ char *path = NULL;
        Name name;

        assert_int_equal(name_parse(text, &name), 0);
        path = rule_path(&name, access, user);
        assert_non_null(path);
        assert_string_equal(path, expected);
}

static void test_path(void **state) {
        assert_path("docker", ACCESS_FULL, "bob",
                    "/etc/polkit-1/rules.d/10-doorward-docker-full-bob.rules");
        assert_path("docker", ACCESS_FULL, "",
                    "/etc/polkit-1/rules.d/10-doorward-docker-full-.rules");
        assert_path("serial@ttyS0", ACCESS_READ_ONLY, "bob",
                    "/etc/polkit-1/rules.d/10-doorward-serial@ttyS0-read-only-bob.rules");
        assert_path("serial", ACCESS_FULL, "../a/b.c",
                    "/etc/polkit-1/rules.d/10-doorward-serial-full-___a_b_c.rules");
        assert_path("x", ACCESS_FULL, "CORP\\o'neil x",
                    "/etc/polkit-1/rules.d/10-doorward-x-full-CORP_o_neil_x.rules");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_own_action),
                cmocka_unit_test(test_shared_action),
                cmocka_unit_test(test_path),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
