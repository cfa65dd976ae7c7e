/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/record.h"
#include "helpers/opener-record.h"

static const char *const ids[] = {
        RECORD_ID_GRANTED,         RECORD_ID_REFUSED,  RECORD_ID_ENDED,
        RECORD_ID_SENDER_MISMATCH, RECORD_ID_BLOCKED,  RECORD_ID_PROBLEM,
        RECORD_ID_DROPPED,         RECORD_ID_OBSERVED, OPENER_RECORD_ID,
};

#define N_IDS ELEMENTSOF(ids)

/* Reads the catalog: how often each is in it, and how many lines of text it has. */
static void read_catalog(unsigned counts[N_IDS], unsigned lines[N_IDS], unsigned *ret_others) {
        FILE *file = fopen(SOURCE_DIR "/units/doorward.catalog", "re");
        char line[256];
        size_t entry = N_IDS;
        bool text = false;

        assert_non_null(file);
        *ret_others = 0;
        while (fgets(line, sizeof(line), file)) {
                assert_non_null(strchr(line, '\n'));
                *strchr(line, '\n') = 0;
                if (strncmp(line, "-- ", 3) == 0) {
                        for (entry = 0; entry < N_IDS && !streq(line + 3, ids[entry]); entry++)
                                ;
                        if (entry == N_IDS)
                                (*ret_others)++;
                        else
                                counts[entry]++;
                        text = false;
                } else if (!line[0])
                        text = true;
                else if (text && entry < N_IDS)
                        lines[entry]++;
        }
        (void)fclose(file);
}

static void test_entries(void **state) {
        unsigned counts[N_IDS] = {}, lines[N_IDS] = {}, others;

        read_catalog(counts, lines, &others);
        for (size_t i = 0; i < N_IDS; i++) {
                assert_int_equal(strlen(ids[i]), 32);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
                assert_int_equal(counts[i], 1);
                assert_in_range(lines[i], 3, 40);
        }
        assert_int_equal(others, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_entries),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
