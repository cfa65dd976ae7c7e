/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/user.h"

#define SECOND UINT64_C(1000000)

static void test_charges_are_given_back(void **state) {
        UserCharge charges[4] = {};
        UserTable table;
        User *user;

        user_table_init(&table, 20, 40);
        assert_int_equal(user_table_ref_user(&table, 1000, SECOND, &user), 0);

        assert_int_equal(user_charge(user, USER_CONNECTIONS, 2, &charges[0]), 0);
        assert_int_equal(user_charge(user, USER_CONNECTIONS, 2, &charges[1]), 0);
        assert_int_equal(user_charge(user, USER_CONNECTIONS, 2, &charges[2]), USER_E_QUOTA);
        assert_null(charges[2].user);
        assert_int_equal(user_charge(user, USER_LEASES, 1, &charges[2]), 0);

        user_charge_deinit(&charges[0]);
        user_charge_deinit(&charges[0]); /* gives back once */
        assert_int_equal(user->used[USER_CONNECTIONS], 1);
        assert_int_equal(user_charge(user, USER_CONNECTIONS, 2, &charges[3]), 0);

        charges[0] = user_charge_take(&charges[3]);
        assert_null(charges[3].user);
        for (size_t i = 0; i < ELEMENTSOF(charges); i++)
                user_charge_deinit(&charges[i]);
        assert_int_equal(user->used[USER_CONNECTIONS], 0);
        assert_int_equal(user->n_ref, 1);

        user_unref(user);
        user_table_deinit(&table);
}

static void test_users_are_apart(void **state) {
        UserCharge a = {}, b = {};
        User *first, *second, *again;
        UserTable table;

        user_table_init(&table, 20, 40);
        /* The two share a bucket of the table. */
        assert_int_equal(user_table_ref_user(&table, 1000, SECOND, &first), 0);
        assert_int_equal(user_table_ref_user(&table, 1000 + USER_BUCKETS, SECOND, &second), 0);
        assert_int_equal(user_table_ref_user(&table, 1000, SECOND, &again), 0);
        assert_ptr_equal(first, again);
        assert_ptr_not_equal(first, second);

        assert_int_equal(user_charge(first, USER_PROMPTS, 1, &a), 0);
        assert_int_equal(user_charge(second, USER_PROMPTS, 1, &b), 0);

        user_charge_deinit(&a);
        user_charge_deinit(&b);
        user_unref(first);
        user_unref(second);
        user_unref(again);
        user_table_deinit(&table);
}

static void test_tokens(void **state) {
        uint64_t now = 1000 * SECOND, wait = 0;
        UserTable table;
        User *user;

        user_table_init(&table, 20, 40);
        assert_int_equal(user_table_ref_user(&table, 1, now, &user), 0);

        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(user_take_token(user, now, &wait), 0);
        assert_int_equal(user_take_token(user, now, &wait), USER_E_QUOTA);
        assert_in_range(wait, 50, 51);

        /* One token in 50 ms, and not a microsecond before. */
        assert_int_equal(user_take_token(user, now + 49999, &wait), USER_E_QUOTA);
        assert_int_equal(user_take_token(user, now + 50000, &wait), 0);
        assert_int_equal(user_take_token(user, now + 50000, &wait), USER_E_QUOTA);
        assert_int_equal(user_count_tokens(user, now + 50000), 0);
        assert_int_equal(user_count_tokens(user, now + 199999), 2);
        assert_int_equal(user_count_tokens(user, now + 200000), 3);

        /* Never more than the burst, however long it was quiet. */
        now += 1000000 * SECOND;
        assert_int_equal(user_count_tokens(user, now), 40);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(user_take_token(user, now, &wait), 0);
        assert_int_equal(user_take_token(user, now, &wait), USER_E_QUOTA);

        user_unref(user);
        user_table_deinit(&table);
}

static void test_reconnecting_does_not_refill(void **state) {
        uint64_t now = SECOND, wait;
        UserTable table;
        User *user, *other;

        user_table_init(&table, 20, 40);
        assert_int_equal(user_table_ref_user(&table, 7, now, &user), 0);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(user_take_token(user, now, &wait), 0);
        user_unref(user);

        /* Another of the same bucket comes, which sweeps it. */
        assert_int_equal(user_table_ref_user(&table, 7 + USER_BUCKETS, now, &other), 0);
        assert_int_equal(user_table_ref_user(&table, 7, now, &user), 0);
        assert_int_equal(user_take_token(user, now, &wait), USER_E_QUOTA);
        user_unref(user);
        user_unref(other);

        /* After two seconds the bucket is full, and the user may be forgotten. */
        assert_int_equal(
                user_table_ref_user(&table, 7 + 2 * USER_BUCKETS, now + 2 * SECOND, &other), 0);
        for (user = table.buckets[7]; user; user = user->next)
                assert_int_not_equal(user->uid, 7);
        user_unref(other);
        user_table_deinit(&table);
}

static void test_limits_are_recorded_once_a_second(void **state) {
        uint64_t now = 5 * SECOND;
        unsigned suppressed = 99;
        UserTable table;
        User *user;

        user_table_init(&table, 20, 40);
        assert_int_equal(user_table_ref_user(&table, 7, now, &user), 0);

        assert_true(user_limit_is_recorded(user, now, &suppressed));
        assert_int_equal(suppressed, 0);
        for (unsigned i = 0; i < 1000; i++)
                assert_false(user_limit_is_recorded(user, now + i, &suppressed));
        assert_true(user_limit_is_recorded(user, now + SECOND, &suppressed));
        assert_int_equal(suppressed, 1000);

        user_unref(user);
        user_table_deinit(&table);
}

static void test_failures(void **state) {
        uint64_t now = 5 * SECOND;
        UserTable table;
        User *user, *other;

        user_table_init(&table, 20, 40);
        assert_int_equal(user_table_ref_user(&table, 7, now, &user), 0);

        for (unsigned i = 0; i < 9; i++)
                user_add_failure(user, now, 10, 60 * SECOND);
        assert_int_equal(user_penalty_ms(user, now), 0);
        user_add_failure(user, now, 10, 60 * SECOND);
        assert_in_range(user_penalty_ms(user, now), 60000, 60001);
        user_unref(user);

        /* Whoever comes back is known, also when others of the same bucket came meanwhile. */
        assert_int_equal(user_table_ref_user(&table, 7 + USER_BUCKETS, now + SECOND, &other), 0);
        assert_int_equal(user_table_ref_user(&table, 7, now + SECOND, &user), 0);
        assert_in_range(user_penalty_ms(user, now + SECOND), 59000, 59001);
        assert_int_equal(user_penalty_ms(other, now + SECOND), 0);
        assert_int_equal(user_penalty_ms(user, now + 60 * SECOND), 0);

        /* Nine, and nothing for ten minutes, are forgotten. */
        now += 100 * SECOND;
        for (unsigned i = 0; i < 9; i++)
                user_add_failure(user, now, 10, 60 * SECOND);
        user_add_failure(user, now + 600 * SECOND, 10, 60 * SECOND);
        assert_int_equal(user_penalty_ms(user, now + 600 * SECOND), 0);

        user_unref(user);
        user_unref(other);
        user_table_deinit(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_charges_are_given_back),
                cmocka_unit_test(test_users_are_apart),
                cmocka_unit_test(test_tokens),
                cmocka_unit_test(test_reconnecting_does_not_refill),
                cmocka_unit_test(test_limits_are_recorded_once_a_second),
                cmocka_unit_test(test_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
