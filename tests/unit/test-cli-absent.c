/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"

#include "cli/absent.h"
#include "policy/strv.h"

#define SHIPPED PACKAGE_DIR "/endpoints.d/service.conf"
#define OWN "/etc/doorward/endpoints.d/service.conf"
#define FULL "[Full]\nConnectStream=/nowhere/at/all\n"

static Definition *definition_new(const char *path, const char *text) {
        Definition *definition = NULL;

        assert_int_equal(definition_parse("service", path, text, &definition), 0);
        assert_null(definition->problem);
        return definition;
}

/* Each text of the list names one of these, in this order. */
static void expect_names(char *const *list, const char *const *names) {
        size_t n = 0;

        for (; names[n]; n++) {
                assert_non_null(list);
                assert_non_null(list[n]);
                assert_non_null(strstr(list[n], names[n]));
        }
        assert_int_equal(strv_length(list), n);
}

static void check(const char *text, const char *const *needed, const char *const *exempt) {
        _cleanup_(definition_freep) Definition *definition = definition_new(OWN, text);
        _cleanup_(strv_freep) char **found = NULL, **found_exempt = NULL;

        assert_int_equal(absent_find(definition, &found, &found_exempt), 0);
        expect_names(found, needed);
        expect_names(found_exempt, exempt);
}

static void test_find(void **state) {
        static const char *const none[] = {NULL};
        static const char *const all[] = {
                "Groups=: the group gone-a does not exist here (/etc/group), so",
                "Groups=: the group gone-b ",
                "ConnectAs=: the user gone-c does not exist here (/etc/passwd), so",
                "PeerUser=: the user gone-d ",
                NULL,
        };
        static const char *const exempt[] = {
                "AuthenticateExempt=: the group gone-e does not exist here (/etc/group), so it "
                "exempts nobody",
                NULL,
        };

        check(FULL, none, none);
        check(FULL "[Connect]\nGroups=tty\nConnectAs=daemon\nPeerUser=root\n", none, none);
        check(FULL "[Connect]\nConnectAs=client\nPeerUser=*\n", none, none);
        check(FULL "Authenticate=self\nAuthenticateExempt=tty gone-e\n"
                   "[Connect]\nGroups=gone-a tty gone-b\nConnectAs=gone-c\nPeerUser=gone-d\n",
              all, exempt);
}

static void check_usual(const char *path, const char *text, bool usual) {
        _cleanup_(definition_freep) Definition *definition = definition_new(path, text);

        assert_int_equal(absent_is_usual(definition), usual);
}

/* Only of what came with a package, and only as long as there is nothing of it. */
static void test_usual(void **state) {
        check_usual(SHIPPED, FULL, true);
        check_usual(OWN, FULL, false);
        check_usual("/usr/local" SHIPPED, FULL, false);
        check_usual(SHIPPED, "[Full]\nConnectStream=/nowhere/at/all\nConnectStream=/dev/null\n",
                    false);
        check_usual(SHIPPED, FULL "[ReadOnly]\nConnectStream=/dev/null\n", false);
        check_usual(SHIPPED, "[Full]\nConnectStream=@abstract\n[Connect]\nPeerUser=root\n", true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_usual),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
