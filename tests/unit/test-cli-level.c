/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/level.h"

static int read_text(const char *text, Level *ret) {
        json_t *object = json_loads(text, 0, NULL);
        int r;

        assert_non_null(object);
        r = level_read(object, ret);
        json_decref(object);
        return r;
}

static void assert_answer_of(const char *text, Whose whose, const char *expected) {
        Level level;

        assert_int_equal(read_text(text, &level), 0);
        assert_string_equal(level_answer(&level, whose), expected);
}

/* Where it does not matter whose, or is not known. */
static void assert_answer(const char *text, const char *expected) {
        assert_answer_of(text, WHOSE_UNKNOWN, expected);
}

static void test_answers(void **state) {
        assert_answer("{\"provided\":false}", "n/a");
        assert_answer("{\"provided\":false,\"decision\":\"denied\"}", "n/a");
        assert_answer("{\"provided\":true,\"decision\":\"unsupported\"}", "n/a");
        assert_answer("{\"provided\":true,\"decision\":\"authorized\"}", "yes");
        assert_answer("{\"provided\":true,\"decision\":\"challenge\"}", "password");
        assert_answer("{\"provided\":true,\"decision\":\"denied\"}", "no");
        assert_answer("{\"provided\":true,\"decision\":null}", "?");
        assert_answer("{\"provided\":true}", "?");
}

#define CHALLENGE "{\"provided\":true,\"decision\":\"challenge\""
#define STEP_UP ",\"stepUp\":true}"

static void test_whose(void **state) {
        assert_answer_of(CHALLENGE "}", WHOSE_OWN, "password:own");
        assert_answer_of(CHALLENGE "}", WHOSE_ADMIN, "password:admin");
        assert_answer_of(CHALLENGE STEP_UP, WHOSE_UNKNOWN, "password+own");
        assert_answer_of(CHALLENGE STEP_UP, WHOSE_OWN, "password:own+own");
        assert_answer_of(CHALLENGE STEP_UP, WHOSE_ADMIN, "password:admin+own");
        assert_answer("{\"provided\":true,\"decision\":\"authorized\"" STEP_UP, "password:own");
        assert_answer("{\"provided\":true,\"decision\":\"denied\"" STEP_UP, "no");
        assert_answer("{\"provided\":true,\"decision\":\"authorized\",\"stepUp\":false}", "yes");
        assert_answer("{\"provided\":true,\"decision\":\"authorized\",\"stepUp\":null}", "yes");
}

static void test_whole(void **state) {
        Level level;

        assert_int_equal(read_text("{\"provided\":true,\"kind\":\"device\",\"mode\":\"tracked\","
                                   "\"means\":\"open_flags\",\"deviceControls\":true,"
                                   "\"maxSec\":3600,\"later\":[1]}",
                                   &level),
                         0);
        assert_int_equal(level.kind, KIND_DEVICE);
        assert_int_equal(level.mode, LEASE_MODE_TRACKED);
        assert_int_equal(level.max_sec, 3600);
        assert_non_null(strstr(level_means_text(&level), "device controls work"));
        assert_non_null(strstr(level_lease_text(&level), "cannot be taken back"));

        /* What is really read-only does not say so. */
        level.device_controls = false;
        assert_null(strstr(level_means_text(&level), "device controls"));

        /* What is filtered is no duplicate of what the client has. */
        level.mode = LEASE_MODE_REVOCABLE;
        assert_non_null(strstr(level_lease_text(&level), "the descriptor alone does not"));
        level.means = MEANS_FILTER;
        assert_non_null(strstr(level_lease_text(&level), "closing the descriptor does, too"));
}

static void test_nothing_to_say(void **state) {
        Level level;

        assert_int_equal(read_text("{\"provided\":false}", &level), 0);
        assert_null(level_means_text(&level));
        assert_null(level_lease_text(&level));
        for (LeaseMode mode = LEASE_MODE_REVOCABLE; mode < _LEASE_MODE_MAX; mode++) {
                level.mode = (int)mode;
                assert_non_null(level_lease_text(&level));
        }
        for (Means means = MEANS_SOCKET; means < _MEANS_MAX; means++) {
                level.means = (int)means;
                assert_non_null(level_means_text(&level));
        }
}

static void test_wrong(void **state) {
        static const char *const wrong[] = {
                "{}",
                "{\"provided\":null}",
                "{\"provided\":1}",
                "{\"provided\":true,\"decision\":\"yes\"}",
                "{\"provided\":true,\"decision\":\"\"}",
                "{\"provided\":true,\"kind\":\"Stream\"}",
                "{\"provided\":true,\"mode\":3}",
                "{\"provided\":true,\"means\":\"open-flags\"}",
                "{\"provided\":true,\"maxSec\":-1}",
                "{\"provided\":true,\"maxSec\":9223372036854775807}",
                "{\"provided\":true,\"maxSec\":\"1\"}",
                "{\"provided\":true,\"stepUp\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                Level level = {.max_sec = 77};

                assert_int_equal(read_text(wrong[i], &level), -EBADMSG);
                assert_int_equal(level.max_sec, 77);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers), cmocka_unit_test(test_whose),
                cmocka_unit_test(test_whole),   cmocka_unit_test(test_nothing_to_say),
                cmocka_unit_test(test_wrong),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
