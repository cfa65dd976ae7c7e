/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <security/pam_appl.h>

#include "pam/verdict.h"

static void test_results(void **state) {
        static const struct {
                int result;
                VerdictCode authenticate, account;
        } cases[] = {
                {PAM_AUTH_ERR, VERDICT_FAILED, VERDICT_ACCOUNT},
                {PAM_USER_UNKNOWN, VERDICT_FAILED, VERDICT_ACCOUNT},
                {PAM_MAXTRIES, VERDICT_FAILED, VERDICT_ACCOUNT},
                {PAM_PERM_DENIED, VERDICT_FAILED, VERDICT_ACCOUNT},
                {PAM_ACCT_EXPIRED, VERDICT_ACCOUNT, VERDICT_ACCOUNT},
                {PAM_NEW_AUTHTOK_REQD, VERDICT_PASSWORD_EXPIRED, VERDICT_PASSWORD_EXPIRED},
                {PAM_AUTHTOK_EXPIRED, VERDICT_PASSWORD_EXPIRED, VERDICT_PASSWORD_EXPIRED},
        };

        for (int result = -1; result < 100; result++) {
                VerdictCode authenticate = VERDICT_UNAVAILABLE, account = VERDICT_UNAVAILABLE;

                for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                        if (cases[i].result == result) {
                                authenticate = cases[i].authenticate;
                                account = cases[i].account;
                        }
                assert_int_equal(verdict_of_authenticate(result), authenticate);
                assert_int_equal(verdict_of_account(result), account);
        }
}

/* What either makes goes through the protocol. */
static void check(const PamReply *verdict) {
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply got;

        assert_int_equal(pam_reply_decode(buf, pam_reply_encode(verdict, buf), &got), 0);
        assert_int_equal(got.code, verdict->code);
        assert_string_equal(got.detail, verdict->detail);
}

static void test_verdicts(void **state) {
        Identity identity = {.uid = 0, .name = "root"};
        PamReply verdict;

        verdict_prove(&verdict, &identity);
        assert_int_equal(verdict.code, VERDICT_PROVEN);
        assert_int_equal(verdict.uid, 0);
        assert_string_equal(verdict.name, "root");
        check(&verdict);

        verdict_refuse(&verdict, VERDICT_FAILED, "because of %d", 5);
        assert_int_equal(verdict.code, VERDICT_FAILED);
        assert_int_equal(verdict.uid, PAM_PROTOCOL_NO_UID);
        assert_string_equal(verdict.name, "");
        assert_string_equal(verdict.detail, "because of 5");
        check(&verdict);

        verdict_refuse(&verdict, VERDICT_FAILED, "%0300d", 5);
        assert_int_equal(strlen(verdict.detail), PAM_PROTOCOL_DETAIL_MAX);
        check(&verdict);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results),
                cmocka_unit_test(test_verdicts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
