/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/nearest.h"

static const char *const candidates[] = {"ConnectStream", "ConnectAs", "Groups",
                                         "MaxSec",        "Type",      NULL};

static void test_found(void **state) {
        assert_string_equal(nearest_find("Groups", candidates), "Groups");
        assert_string_equal(nearest_find("Group", candidates), "Groups");
        assert_string_equal(nearest_find("groups", candidates), "Groups");
        assert_string_equal(nearest_find("Gruops", candidates), "Groups");
        assert_string_equal(nearest_find("Groupss", candidates), "Groups");
        assert_string_equal(nearest_find("ConectStraem", candidates), "ConnectStream");
        assert_string_equal(nearest_find("ConnectA", candidates), "ConnectAs");
        assert_string_equal(nearest_find("Tpye", candidates), "Type");
        assert_string_equal(nearest_find("MaxSecs", candidates), "MaxSec");
}

static void test_too_far(void **state) {
        char longest[200] = "";

        assert_null(nearest_find("", candidates));
        assert_null(nearest_find("x", candidates));
        assert_null(nearest_find("Listen", candidates));
        assert_null(nearest_find("ConnectDatagram", candidates));

        memset(longest, 'x', sizeof(longest) - 1);
        assert_null(nearest_find(longest, candidates));
}

static void test_no_candidates(void **state) {
        static const char *const none[] = {NULL};

        assert_null(nearest_find("Groups", none));
}

/* Candidates of the longest words that are compared, and one beyond them. */
static void test_long_candidates(void **state) {
        char word[66], near[66];
        const char *const list[] = {near, NULL};

        memset(word, 'w', sizeof(word));
        memset(near, 'w', sizeof(near));
        word[64] = near[63] = '\0';
        assert_string_equal(nearest_find(word, list), near);
        word[64] = 'w';
        word[65] = '\0';
        assert_null(nearest_find(word, list));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found),
                cmocka_unit_test(test_too_far),
                cmocka_unit_test(test_no_candidates),
                cmocka_unit_test(test_long_candidates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
