/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/instant.h"
#include "policy/timespan.h"

static uint64_t parse(const char *text) {
        uint64_t usec = 0;

        if (instant_parse(text, &usec) != 0)
                fail_msg("%s is no instant", text);
        return usec / USEC_PER_SEC;
}

/* `date -u -d` says the same. */
static void test_parse(void **state) {
        assert_int_equal(parse("2000-01-01"), 946684800);
        assert_int_equal(parse("2027-03-31"), 1806451200);
        assert_int_equal(parse("2027-03-31T18:00Z"), 1806516000);
        assert_int_equal(parse("2027-03-31T18:00:59Z"), 1806516059);
        assert_int_equal(parse("2028-02-29T23:59:59Z"), 1835481599);
        assert_int_equal(parse("2199-12-31"), 7258032000);
}

static void test_refuse(void **state) {
        static const char *const texts[] = {
                "",
                "2027",
                "2027-3-31",
                "2027-03-32",
                "2027-02-29",
                "2100-02-29",
                "2027-00-10",
                "2027-13-01",
                "2027-04-31",
                "2027-01-00",
                "1999-12-31",
                "2200-01-01",
                "2027-03-31 18:00:00",
                "2027-03-31T18:00:00",
                "2027-03-31T18:00:00z",
                "2027-03-31T18:00:00+01:00",
                "2027-03-31T24:00:00Z",
                "2027-03-31T23:60:00Z",
                "2027-03-31T23:59:60Z",
                "2027-03-31T18Z",
                "2027-03-31Z",
                " 2027-03-31",
                "2027-03-31 ",
                "2027-03-311",
                "+027-03-31",
                "never",
                "1806451200",
        };
        uint64_t usec = 7;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (instant_parse(texts[i], &usec) != -EINVAL)
                        fail_msg("%s is an instant", texts[i]);
        assert_int_equal(usec, 7);
}

static void test_to_string(void **state) {
        char buf[INSTANT_TEXT_SIZE];
        uint64_t usec;

        assert_string_equal(instant_to_string(1806516059 * USEC_PER_SEC + 999999, buf),
                            "2027-03-31T18:00:59Z");
        assert_int_equal(instant_parse(buf, &usec), 0);
        assert_int_equal(usec, 1806516059 * USEC_PER_SEC);
        assert_string_equal(instant_to_string(0, buf), "1970-01-01T00:00:00Z");
        assert_string_equal(instant_to_string(UINT64_MAX, buf), "?");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_refuse),
                cmocka_unit_test(test_to_string),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
