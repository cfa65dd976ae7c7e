/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/terms.h"

/* The six enumerations, each by its functions. Casts between function types would be undefined. */

#define DEFINE_WORDS(prefix, type)                      \
        static const char *prefix##_string(int value) { \
                return prefix##_to_string((type)value); \
        }                                               \
        static const char *prefix##_wire(int value) {   \
                return prefix##_to_wire((type)value);   \
        }

DEFINE_WORDS(access, Access)
DEFINE_WORDS(kind, Kind)
DEFINE_WORDS(lease_mode, LeaseMode)
DEFINE_WORDS(decision, Decision)
DEFINE_WORDS(how, How)
DEFINE_WORDS(means, Means)
DEFINE_WORDS(end_reason, EndReason)

static const struct {
        int max;
        const char *(*string)(int value);
        const char *(*wire)(int value);
        int (*from_string)(const char *text); /* NULL: people never write these */
        int (*from_wire)(const char *text);
        const char *words;
} terms[] = {
        {_ACCESS_MAX, access_string, access_wire, access_from_string, access_from_wire,
         "read-only full "},
        {_KIND_MAX, kind_string, kind_wire, kind_from_string, kind_from_wire,
         "stream seqpacket device fifo file tap "},
        {_LEASE_MODE_MAX, lease_mode_string, lease_mode_wire, lease_mode_from_string,
         lease_mode_from_wire, "revocable tracked none "},
        {_DECISION_MAX, decision_string, decision_wire, NULL, decision_from_wire,
         "authorized challenge denied unsupported "},
        {_HOW_MAX, how_string, how_wire, NULL, how_from_wire, "implicit challenged observed "},
        {_MEANS_MAX, means_string, means_wire, means_from_string, means_from_wire,
         "socket open-flags filter "},
        {_END_MAX, end_reason_string, end_reason_wire, NULL, end_reason_from_wire,
         "client peer backend expired revoked logout policy definition restart shutdown "},
};

static void test_words(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(terms); i++) {
                char words[256] = "";

                for (int value = 1; value < terms[i].max; value++) {
                        strcat(words, terms[i].string(value));
                        strcat(words, " ");
                }
                assert_string_equal(words, terms[i].words);
        }
}

static void test_both_ways(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(terms); i++)
                for (int value = 1; value < terms[i].max; value++) {
                        const char *string = terms[i].string(value), *wire = terms[i].wire(value);

                        assert_int_equal(terms[i].from_wire(wire), value);
                        if (terms[i].from_string)
                                assert_int_equal(terms[i].from_string(string), value);

                        /* Varlink knows no hyphens, people no underscores: one is not the other. */
                        assert_null(strchr(wire, '-'));
                        assert_null(strchr(string, '_'));
                        if (!streq(string, wire)) {
                                assert_int_equal(terms[i].from_wire(string), -EINVAL);
                                assert_int_equal(terms[i].from_string(wire), -EINVAL);
                        }
                }
}

static void test_others(void **state) {
        static const int values[] = {0, -1, -EINVAL, INT32_MIN, INT32_MAX};
        static const char *const texts[] = {"", " ", "invalid", "FULL", "full ", "0", "1"};

        for (size_t i = 0; i < ELEMENTSOF(terms); i++) {
                for (size_t j = 0; j < ELEMENTSOF(values); j++) {
                        assert_string_equal(terms[i].string(values[j]), "invalid");
                        assert_string_equal(terms[i].wire(values[j]), "invalid");
                }
                assert_string_equal(terms[i].string(terms[i].max), "invalid");
                for (size_t j = 0; j < ELEMENTSOF(texts); j++) {
                        assert_int_equal(terms[i].from_wire(texts[j]), -EINVAL);
                        if (terms[i].from_string)
                                assert_int_equal(terms[i].from_string(texts[j]), -EINVAL);
                }
        }
}

/* Memory that nobody set grants nothing. */
static void test_no_zero(void **state) {
        assert_int_equal(ACCESS_READ_ONLY, 1);
        assert_int_equal(DECISION_AUTHORIZED, 1);
        assert_string_equal(access_to_string((Access)0), "invalid");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_no_zero),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
