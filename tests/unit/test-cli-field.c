/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/field.h"
#include "tests/support/printed.h"

#define LONG                                                                                       \
        "A text that is longer than what is left of a line of eighty columns goes on below where " \
        "it began"

static int print(const Options *options, char **arguments, size_t n) {
        json_t *strings = json_pack("[s, s]", "one", "t\x1bwo"), *none = json_array();

        field_print("Usual", LONG);
        field_printf("Number", "%d of %s", 7, "nine");
        field_print("", "no label");
        field_print_strings("Each", strings);
        field_print_list("All", strings, "nothing");
        field_print_list("None", none, "nothing");
        field_print_at(7, "Narrow", LONG);
        field_printf_at(7, "More", "%s", "so");
        json_decref(strings);
        json_decref(none);
        return 0;
}

static void test_fields(void **state) {
        const Options options = {.fd = -EBADF};
        Printed p;

        printed_run(&p, print, &options, NULL, NULL, NULL);
        assert_string_equal(p.out,
                            "       Usual: A text that is longer than what is left of a line of "
                            "eighty\n"
                            "              columns goes on below where it began\n"
                            "      Number: 7 of nine\n"
                            "              no label\n"
                            "        Each: one\n"
                            "              t?wo\n"
                            "         All: one, t?wo\n"
                            "        None: nothing\n"
                            " Narrow: A text that is longer than what is left of a line of eighty "
                            "columns\n"
                            "         goes on below where it began\n"
                            "   More: so\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
