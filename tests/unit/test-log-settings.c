/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/log-settings.h"

static char complaints[4096];
static unsigned n_complaints;

static void complain(const char *text) {
        size_t n = strlen(complaints);

        (void)snprintf(complaints + n, sizeof(complaints) - n, "%s\n", text);
        n_complaints++;
}

static LogSettings read_all(const char *debug, const char *filters, const char *outputs) {
        LogSettings settings;

        complaints[0] = 0;
        n_complaints = 0;
        log_settings_read(&settings, debug, filters, outputs, complain);
        return settings;
}

static void assert_levels(const LogSettings *settings, LogLevel level) {
        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                assert_int_equal(settings->levels[c], level);
}

static void assert_stderr_only(const LogSettings *settings) {
        assert_int_equal(settings->n_outputs, 1);
        assert_int_equal(settings->outputs[0].target, LOG_TARGET_STDERR);
        assert_int_equal(settings->outputs[0].level, LOG_LEVEL_DEBUG);
}

static void test_nothing_asked_for(void **state) {
        LogSettings settings = read_all(NULL, NULL, NULL);

        assert_int_equal(settings.threshold, LOG_LEVEL_NONE);
        assert_levels(&settings, LOG_LEVEL_NONE);
        assert_int_equal(n_complaints, 0);
}

static void test_levels(void **state) {
        static const struct {
                const char *text;
                LogLevel level;
        } cases[] = {
                {"1", LOG_LEVEL_DEBUG},   {"debug", LOG_LEVEL_DEBUG},
                {"2", LOG_LEVEL_INFO},    {"info", LOG_LEVEL_INFO},
                {"3", LOG_LEVEL_WARNING}, {"warning", LOG_LEVEL_WARNING},
                {"4", LOG_LEVEL_ERROR},   {"error", LOG_LEVEL_ERROR},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LogSettings settings = read_all(cases[i].text, NULL, NULL);

                assert_levels(&settings, cases[i].level);
                assert_int_equal(settings.threshold, cases[i].level);
                assert_stderr_only(&settings);
                assert_int_equal(n_complaints, 0);
                assert_int_equal(log_level_from_string(log_level_to_string(cases[i].level)),
                                 cases[i].level);
        }
}

static void test_bad_levels(void **state) {
        static const char *const bad[] = {"",     "0",      "5",   "11",    "Debug", " debug",
                                          "warn", "debug ", "all", "1:uri", "-1"};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                LogSettings settings = read_all(bad[i], NULL, NULL);

                assert_int_equal(settings.threshold, LOG_LEVEL_NONE);
                assert_int_equal(n_complaints, 1);
                assert_non_null(strstr(complaints, "DOORWARD_DEBUG"));
                assert_non_null(strstr(complaints, "1 to 4, or debug, info, warning and error"));
        }
}

/* The first that matches is the one that counts, as with libvirt's. */
static void test_filters(void **state) {
        LogSettings settings = read_all("3", " 1:uri  info:wire\t4:uri ", NULL);

        assert_int_equal(settings.levels[LOG_CATEGORY_URI], LOG_LEVEL_DEBUG);
        assert_int_equal(settings.levels[LOG_CATEGORY_WIRE], LOG_LEVEL_INFO);
        assert_int_equal(settings.levels[LOG_CATEGORY_CONN], LOG_LEVEL_WARNING);
        assert_int_equal(settings.threshold, LOG_LEVEL_DEBUG);
        assert_int_equal(n_complaints, 0);
}

/* Without a level for the rest there is none of it. */
static void test_filters_alone(void **state) {
        LogSettings settings = read_all(NULL, "info:lease", "1:stderr");

        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                assert_int_equal(settings.levels[c],
                                 c == LOG_CATEGORY_LEASE ? LOG_LEVEL_INFO : LOG_LEVEL_NONE);
        assert_int_equal(settings.threshold, LOG_LEVEL_INFO);
}

static void test_bad_filters(void **state) {
        LogSettings settings = read_all(NULL, "1 1: 9:uri 1:urii uri:1 :uri 1:stderr 2:uri", NULL);

        assert_int_equal(settings.levels[LOG_CATEGORY_URI], LOG_LEVEL_INFO);
        assert_int_equal(n_complaints, 7);
        /* What there is, is said. */
        for (int c = 0; c < _LOG_CATEGORY_MAX; c++)
                assert_non_null(strstr(complaints, log_category_to_string((LogCategory)c)));
        assert_non_null(strstr(complaints, " and wire."));
}

static void test_outputs(void **state) {
        LogSettings settings = read_all("1", NULL, "2:stderr debug:file:/var/log/a:b 4:journald");

        assert_int_equal(settings.n_outputs, 3);
        assert_int_equal(settings.outputs[0].target, LOG_TARGET_STDERR);
        assert_int_equal(settings.outputs[0].level, LOG_LEVEL_INFO);
        assert_int_equal(settings.outputs[1].target, LOG_TARGET_FILE);
        assert_int_equal(settings.outputs[1].level, LOG_LEVEL_DEBUG);
        assert_string_equal(settings.outputs[1].path, "/var/log/a:b");
        assert_int_equal(settings.outputs[2].target, LOG_TARGET_JOURNALD);
        assert_int_equal(settings.outputs[2].level, LOG_LEVEL_ERROR);
        assert_int_equal(n_complaints, 0);
}

/* Who only says where wants what may go there. */
static void test_outputs_alone(void **state) {
        LogSettings settings = read_all(NULL, NULL, "4:journald 2:stderr");

        assert_levels(&settings, LOG_LEVEL_INFO);
        assert_int_equal(settings.threshold, LOG_LEVEL_INFO);
}

/* What no output takes need not be written. */
static void test_threshold_of_outputs(void **state) {
        assert_int_equal(read_all("1", NULL, "4:journald").threshold, LOG_LEVEL_ERROR);
}

static void test_bad_outputs(void **state) {
        char path[LOG_PATH_SIZE * 3] = "1:file:/", *end = strchr(path, 0);
        LogSettings settings;

        settings =
                read_all("1", NULL, "stderr 1:stdout 1:file 1:file: 1:file:x 0:stderr 1:syslog:x");
        assert_stderr_only(&settings);
        assert_int_equal(n_complaints, 7);
        assert_non_null(strstr(complaints, "LEVEL:file:PATH"));

        settings = read_all("1", NULL, "1:stderr 1:stderr 1:stderr 1:stderr 4:journald");
        assert_int_equal(settings.n_outputs, LOG_OUTPUTS_MAX);
        assert_int_equal(n_complaints, 1);
        assert_non_null(strstr(complaints, "four"));

        /* The longest that there is room for, and what is longer. */
        memset(end, 'x', LOG_PATH_SIZE - 2);
        settings = read_all("1", NULL, path);
        assert_int_equal(n_complaints, 0);
        assert_string_equal(settings.outputs[0].path, strchr(path, '/'));
        memset(end, 'x', LOG_PATH_SIZE - 1);
        settings = read_all("1", NULL, path);
        assert_stderr_only(&settings);
        memset(end, 'x', LOG_PATH_SIZE * 2);
        settings = read_all("1", NULL, path);
        assert_stderr_only(&settings);
        assert_int_equal(n_complaints, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_asked_for),
                cmocka_unit_test(test_levels),
                cmocka_unit_test(test_bad_levels),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_filters_alone),
                cmocka_unit_test(test_bad_filters),
                cmocka_unit_test(test_outputs),
                cmocka_unit_test(test_outputs_alone),
                cmocka_unit_test(test_threshold_of_outputs),
                cmocka_unit_test(test_bad_outputs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
