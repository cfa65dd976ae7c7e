/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/printed.h"

static void check(const char *reply, const Options *options, int status, const char *output) {
        const Exchange exchanges[] = {
                {"{\"method\":\"org.doorward.Broker.Forget\",\"parameters\":{}}", {reply}},
                {},
        };
        Printed p;

        printed_run(&p, command_forget, options, NULL, printed_script, exchanges);
        assert_int_equal(p.status, status);
        if (!strstr(p.out, output) || (!output[0] && p.out[0]))
                fail_msg("%s", p.out);
}

#define FORGOTTEN(n) "{\"parameters\":{\"forgotten\":" n ",\"requestId\":\"r1\"}}"

static void test_forget(void **state) {
        Options options = {.fd = -EBADF};

        check(FORGOTTEN("2"), &options, 0, "Remembered passwords forgotten: 2\n");
        check(FORGOTTEN("0"), &options, 0, "Remembered passwords forgotten: 0\n");
        options.given = OPTION_QUIET;
        check(FORGOTTEN("2"), &options, 0, "");
        options.json = JSON_SHORT;
        check(FORGOTTEN("2"), &options, 0, "{\"forgotten\":2,\"requestId\":\"r1\"}\n");
}

static void test_refused(void **state) {
        Options options = {.fd = -EBADF, .json = JSON_SHORT};

        check("{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":"
              "{\"method\":\"org.doorward.Broker.Forget\"}}",
              &options, 85, "\"class\":\"unsupported\"");
        check(FORGOTTEN("-1"), &options, 87, "\"class\":\"protocol\"");
        check(FORGOTTEN("\"2\""), &options, 87, "\"class\":\"protocol\"");
        check("{}", &options, 87, "\"class\":\"protocol\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forget),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
