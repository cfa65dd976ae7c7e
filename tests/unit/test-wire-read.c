/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/wire.h"
#include "common/terms.h"

/* Reading members. */

static void check_read(const char *json, const WireField *fields, int expected) {
        json_t *object = json_loads(json, 0, NULL);

        assert_non_null(object);
        assert_int_equal(wire_read(object, fields), expected);
        json_decref(object);
}

static void test_read(void **state) {
        json_t *object, *strings = NULL, *ints = NULL, *inner = NULL;
        const char *text = "before";
        int64_t number = 7;
        bool flag = false;
        int access = 99;
        const WireField all[] = {
                {"b", WIRE_BOOL, true, &flag},
                {"i", WIRE_INT, true, &number},
                {"s", WIRE_STRING, true, &text},
                {"a", WIRE_STRINGS, true, &strings},
                {"o", WIRE_OBJECT, true, &inner},
                {"m", WIRE_INTS, true, &ints},
                {"e", WIRE_ENUM, true, &access, access_from_wire},
                {},
        };
        const WireField needed[] = {{"s", WIRE_STRING, false, &text}, {}};

        /* What is absent, or null, leaves things as they are. */
        assert_int_equal(wire_read(NULL, all), 0);
        check_read("{}", all, 0);
        check_read("{\"b\":null,\"i\":null,\"s\":null,\"a\":null,\"e\":null,\"x\":1}", all, 0);
        assert_false(flag);
        assert_int_equal(number, 7);
        assert_string_equal(text, "before");
        assert_int_equal(access, 99);
        assert_null(strings);

        object = json_loads("{\"b\":true,\"i\":-9223372036854775808,\"s\":\"t\",\"a\":[\"x\"],"
                            "\"o\":{},\"m\":{\"k\":1},\"e\":\"read_only\",\"later\":[{}]}",
                            0, NULL);
        assert_int_equal(wire_read(object, all), 0);
        assert_true(flag);
        assert_int_equal(number, INT64_MIN);
        assert_string_equal(text, "t");
        assert_int_equal(json_array_size(strings), 1);
        assert_int_equal(json_object_size(inner), 0);
        assert_int_equal(json_object_size(ints), 1);
        assert_int_equal(access, ACCESS_READ_ONLY);
        json_decref(object);

        check_read("{\"b\":1}", all, -EBADMSG);
        check_read("{\"b\":\"true\"}", all, -EBADMSG);
        check_read("{\"i\":1.0}", all, -EBADMSG);
        check_read("{\"i\":\"1\"}", all, -EBADMSG);
        check_read("{\"i\":true}", all, -EBADMSG);
        check_read("{\"s\":1}", all, -EBADMSG);
        check_read("{\"s\":[]}", all, -EBADMSG);
        check_read("{\"a\":[1]}", all, -EBADMSG);
        check_read("{\"a\":[\"x\",null]}", all, -EBADMSG);
        check_read("{\"a\":{}}", all, -EBADMSG);
        check_read("{\"a\":\"x\"}", all, -EBADMSG);
        check_read("{\"a\":[]}", all, 0);
        check_read("{\"o\":[]}", all, -EBADMSG);
        check_read("{\"m\":{\"k\":1.5}}", all, -EBADMSG);
        check_read("{\"m\":{\"k\":\"1\"}}", all, -EBADMSG);
        check_read("{\"m\":[]}", all, -EBADMSG);
        check_read("{\"m\":{}}", all, 0);
        check_read("{\"e\":\"read-only\"}", all, -EBADMSG);
        check_read("{\"e\":1}", all, -EBADMSG);
        check_read("{}", needed, -EBADMSG);
        check_read("{\"s\":null}", needed, -EBADMSG);
        check_read("{\"s\":\"\"}", needed, 0);
        assert_int_equal(wire_read(NULL, needed), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
