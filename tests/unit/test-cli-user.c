/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/user.h"

/* One that no system of ours gives a name. */
#define NAMELESS INT64_C(4123456789)

static void test_name(void **state) {
        _cleanup_free_ char *name = NULL;

        assert_int_equal(user_find_name(0, &name), 0);
        assert_string_equal(name, "root");
        free(TAKE_PTR(name));

        name = NULL;
        assert_int_equal(user_find_name(NAMELESS, &name), 0);
        assert_null(name);

        assert_int_equal(user_find_name(-1, &name), -EBADMSG);
        assert_int_equal(user_find_name(UINT32_MAX, &name), -EBADMSG);
        assert_int_equal(user_find_name(INT64_MAX, &name), -EBADMSG);
}

static void test_string(void **state) {
        char buf[USER_TEXT_SIZE];

        assert_string_equal(user_to_string(0, buf), "root");
        assert_string_equal(user_to_string(NAMELESS, buf), "4123456789");
        assert_string_equal(user_to_string(-5, buf), "-5");
}

static void assert_uid(const char *text, uid_t expected) {
        uid_t uid = 77;

        assert_int_equal(user_find_uid(text, &uid), 0);
        assert_int_equal(uid, expected);
}

static void test_uid(void **state) {
        static const char *const none[] = {
                "",   "-1",  "4294967295", "4294967296", "99999999999999999999999", "no-such-user",
                " 0", "0x0", "0 ",
        };
        uid_t uid;

        assert_uid("root", 0);
        assert_uid("0", 0);
        assert_uid("1000", 1000);
        assert_uid("4294967294", 4294967294U);
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(user_find_uid(none[i], &uid), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_name),
                cmocka_unit_test(test_string),
                cmocka_unit_test(test_uid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
