/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/lease-id.h"

#define ID_A "0b1f5c7d9e2a4f3886d1c4a7b9e0f213"
#define ID_B "0b1f5c7d9e2a0000000000000000000b"
#define ID_C "c000000000000000000000000000000c"

static json_t *list_new(const char *const *ids) {
        json_t *list = json_array();

        for (size_t i = 0; ids[i]; i++)
                assert_int_equal(json_array_append_new(list, json_pack("{s:s}", "id", ids[i])), 0);
        return list;
}

#define LIST(...) list_new((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_valid(void **state) {
        assert_true(lease_id_is_valid(ID_A));
        assert_false(lease_id_is_valid(""));
        assert_false(lease_id_is_valid("0b1f5c7d"));
        assert_false(lease_id_is_valid(ID_A "0"));
        assert_false(lease_id_is_valid("0B1F5C7D9E2A4F3886D1C4A7B9E0F213"));
        assert_false(lease_id_is_valid("0b1f5c7d9e2a4f3886d1c4a7b9e0f21/"));
}

static void test_prefix(void **state) {
        assert_true(lease_id_is_prefix("0b1f5c7d"));
        assert_true(lease_id_is_prefix(ID_A));
        assert_false(lease_id_is_prefix("0b1f5c7"));
        assert_false(lease_id_is_prefix(""));
        assert_false(lease_id_is_prefix(ID_A "0"));
        assert_false(lease_id_is_prefix("0b1f5c7d\n"));
        assert_false(lease_id_is_prefix("--user=bob"));
}

static void assert_shown(json_t *list, size_t expected) {
        assert_int_equal(lease_id_shown(list), expected);
        json_decref(list);
}

/* As many as tell them apart, wherever in the list they stand. */
static void test_shown(void **state) {
        assert_shown(LIST(), 8);
        assert_shown(LIST(ID_A), 8);
        assert_shown(LIST(ID_A, ID_C), 8);
        assert_shown(LIST(ID_A, ID_C, ID_B), 13);
        assert_shown(LIST(ID_A, "0b1f5c7d9e2a4f3886d1c4a7b9e0f214"), 32);
        /* What the broker never says. */
        assert_shown(LIST(ID_A, ID_A), 32);
}

static void test_find(void **state) {
        json_t *list = LIST(ID_A, ID_B, ID_C);
        const char *found = NULL;

        assert_int_equal(lease_id_find(list, "c0000000", &found), 0);
        assert_string_equal(found, ID_C);
        assert_int_equal(lease_id_find(list, "0b1f5c7d9e2a0", &found), 0);
        assert_string_equal(found, ID_B);
        assert_int_equal(lease_id_find(list, ID_A, &found), 0);
        assert_string_equal(found, ID_A);

        found = NULL;
        assert_int_equal(lease_id_find(list, "0b1f5c7d9e2a", &found), LEASE_ID_E_AMBIGUOUS);
        assert_int_equal(lease_id_find(list, "ffffffff", &found), LEASE_ID_E_NONE);
        assert_null(found);
        json_decref(list);
}

static void test_candidates(void **state) {
        json_t *list = LIST(ID_A, ID_C, ID_B);
        char *text = lease_id_candidates(list, "0b1f5c7d");

        assert_string_equal(text, ID_A ", " ID_B);
        free(text);
        text = lease_id_candidates(list, "ffffffff");
        assert_string_equal(text, "");
        free(text);

        for (int i = 0; i < 10; i++)
                assert_int_equal(json_array_append(list, json_array_get(list, 1)), 0);
        text = lease_id_candidates(list, ID_C);
        assert_non_null(strstr(text, ID_C ", " ID_C));
        assert_non_null(strstr(text, " and 3 more"));
        free(text);
        json_decref(list);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_valid),      cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_shown),      cmocka_unit_test(test_find),
                cmocka_unit_test(test_candidates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
