/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/options.h"

#define WORDS_MAX 16

static const Command commands[] = {
        {"list", "", "", "", OPTION_JSON | OPTION_NO_CHECK, 0, 0, false, NULL},
        {"one", "NAME", "", "", OPTION_READ_ONLY | OPTION_FD | OPTION_TAP | OPTION_USER, 1, 1,
         false, NULL},
        {"many", "[NAME...]", "", "", OPTION_QUIET, 0, -1, false, NULL},
        {"filter", "", "", "", OPTION_ALL | OPTION_OF_USER | OPTION_ENDPOINT | OPTION_BLOCK, 0, 0,
         false, NULL},
        {"exec", "NAME... -- CMD", "", "", OPTION_READ_ONLY | OPTION_QUIET, 1, -1, true, NULL},
        {},
};

typedef struct Parsed {
        char *argv[WORDS_MAX];
        Options options;
        char **arguments;
        size_t n;
} Parsed;

/* What is said about it would only be in the way here. */
static void silence(int saved[2]) {
        _cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)fflush(NULL);
        for (int i = 0; i < 2; i++) {
                saved[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 3);
                assert_true(saved[i] >= 0);
                assert_true(dup2(fd, STDOUT_FILENO + i) >= 0);
        }
}

static void unsilence(int saved[2]) {
        (void)fflush(NULL);
        for (int i = 0; i < 2; i++) {
                assert_true(dup2(saved[i], STDOUT_FILENO + i) >= 0);
                close_fd(saved[i]);
        }
}

static int parse_as(Parsed *parsed, const Command *preset, const char *const *words) {
        int argc = 0, saved[2], status;

        *parsed = (Parsed){.options = {.fd = -EBADF}};
        for (; words[argc]; argc++)
                parsed->argv[argc] = (char *)words[argc];

        silence(saved);
        status = options_parse(argc, parsed->argv, commands, preset, &parsed->options,
                               &parsed->arguments, &parsed->n);
        unsilence(saved);

        return status;
}

#define PARSE(parsed, ...) \
        parse_as(parsed, NULL, (const char *const[]){"doorward", __VA_ARGS__, NULL})

static void test_command(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "list"), -1);
        assert_string_equal(p.options.command->name, "list");
        assert_int_equal(p.n, 0);
        assert_int_equal(p.options.given, 0);
        assert_int_equal(p.options.json, JSON_OFF);

        assert_int_equal(PARSE(&p, "one", "docker"), -1);
        assert_int_equal(p.n, 1);
        assert_string_equal(p.arguments[0], "docker");
        assert_int_equal(p.options.fd, -EBADF);
}

/* Before the command, after it, among the arguments; but not behind "--". */
static void test_places(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "--json=short", "list", "--no-check"), -1);
        assert_int_equal(p.options.json, JSON_SHORT);
        assert_int_equal(p.options.given, OPTION_JSON | OPTION_NO_CHECK);

        assert_int_equal(PARSE(&p, "-q", "many", "a", "--quiet", "b"), -1);
        assert_int_equal(p.n, 2);
        assert_string_equal(p.arguments[0], "a");
        assert_string_equal(p.arguments[1], "b");

        assert_int_equal(PARSE(&p, "many", "--", "-q", "--"), -1);
        assert_int_equal(p.n, 2);
        assert_string_equal(p.arguments[0], "-q");
        assert_string_equal(p.arguments[1], "--");
        assert_int_equal(p.options.given, 0);
}

/* Where a word means something else than an argument, that is the argument. */
static void test_dashed(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "one", "--", "x"), -1);
        assert_true(p.options.dashed);
        assert_string_equal(p.arguments[0], "x");
        assert_int_equal(PARSE(&p, "one", "--fd=3", "--", "x"), -1);
        assert_true(p.options.dashed);
        assert_int_equal(PARSE(&p, "one", "x"), -1);
        assert_false(p.options.dashed);
        assert_int_equal(PARSE(&p, "one", "x", "--"), -1);
        assert_false(p.options.dashed);
        assert_int_equal(PARSE(&p, "--", "one", "x"), -1);
        assert_false(p.options.dashed);
        assert_string_equal(p.arguments[0], "x");
}

/* For scripts that say so to every command. */
static void test_harmless(void **state) {
        Parsed p;

        assert_int_equal(
                PARSE(&p, "--no-pager", "--no-legend", "--no-ask-password", "-q", "one", "x"), -1);
        assert_int_equal(PARSE(&p, "one", "x", "--no-check"), 2);
}

/* Every command can be watched; in whatever place the option stands. */
static void test_debug(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "list"), -1);
        assert_false(options_has(&p.options, OPTION_DEBUG));
        assert_int_equal(PARSE(&p, "--debug", "list"), -1);
        assert_true(options_has(&p.options, OPTION_DEBUG));
        assert_int_equal(p.options.debug, LOG_LEVEL_DEBUG);
        assert_int_equal(PARSE(&p, "one", "--debug", "x"), -1);
        assert_int_equal(p.options.debug, LOG_LEVEL_DEBUG);
        assert_int_equal(p.n, 1);
        assert_int_equal(PARSE(&p, "list", "--debug=warning"), -1);
        assert_int_equal(p.options.debug, LOG_LEVEL_WARNING);
        assert_int_equal(PARSE(&p, "list", "--debug=2"), -1);
        assert_int_equal(p.options.debug, LOG_LEVEL_INFO);
        assert_int_equal(PARSE(&p, "list", "--debug=all"), 2);
        assert_int_equal(PARSE(&p, "list", "--debug="), 2);
        /* What follows is another program's. */
        assert_int_equal(PARSE(&p, "many", "--", "--debug"), -1);
        assert_false(options_has(&p.options, OPTION_DEBUG));
}

static void test_values(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "list", "--json", "pretty"), -1);
        assert_int_equal(p.options.json, JSON_PRETTY);
        assert_int_equal(PARSE(&p, "list", "-j"), -1);
        assert_true(p.options.json != JSON_OFF);
        assert_int_equal(PARSE(&p, "list", "-j", "--json=off"), -1);
        assert_int_equal(p.options.json, JSON_OFF);

        assert_int_equal(PARSE(&p, "one", "x", "--fd=0"), -1);
        assert_int_equal(p.options.fd, 0);
        assert_int_equal(PARSE(&p, "one", "--use-vnet", "--fd=12", "--br=br0", "x"), -1);
        assert_int_equal(p.options.fd, 12);
        assert_int_equal(p.options.given, OPTION_FD | OPTION_TAP);
        assert_string_equal(p.options.bridge, "br0");

        assert_null(p.options.user);
        assert_int_equal(PARSE(&p, "one", "x", "--user=bob"), -1);
        assert_string_equal(p.options.user, "bob");
        /* As directories have them. */
        assert_int_equal(PARSE(&p, "one", "x", "--user=bob@far"), -1);
        assert_string_equal(p.options.user, "bob@far");
        assert_int_equal(PARSE(&p, "one", "x", "--user="), -1);
        assert_string_equal(p.options.user, "");
}

/* --user= is as whom a thing is done, or to whom: then it can be a number, too. */
static void test_filters(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "--user=1000", "filter", "--endpoint=serial@ttyUSB0"), -1);
        assert_string_equal(p.options.user, "1000");
        assert_string_equal(p.options.endpoint, "serial@ttyUSB0");
        assert_int_equal(p.options.given, OPTION_OF_USER | OPTION_ENDPOINT);
        assert_int_equal(p.options.block, 0);

        assert_int_equal(PARSE(&p, "filter", "--all", "--user=", "--block=90"), -1);
        assert_string_equal(p.options.user, "");
        assert_null(p.options.endpoint);
        assert_int_equal(p.options.given, OPTION_ALL | OPTION_OF_USER | OPTION_BLOCK);
        assert_int_equal(p.options.block, 90);

        assert_int_equal(PARSE(&p, "one", "x", "--user=bob"), -1);
        assert_int_equal(p.options.given, OPTION_USER);
}

static void test_block(void **state) {
        static const struct {
                const char *text;
                int64_t seconds;
        } spans[] = {
                {"--block=1", 1},       {"--block=10min", 600},   {"--block=1h 30min", 5400},
                {"--block=2d", 172800}, {"--block=1500ms", 2},    {"--block=1us", 1},
                {"--block=1000ms", 1},  {"--block=30d", 2592000},
        };
        Parsed p;

        for (size_t i = 0; i < ELEMENTSOF(spans); i++) {
                assert_int_equal(PARSE(&p, "filter", spans[i].text), -1);
                assert_int_equal(p.options.block, spans[i].seconds);
        }
}

static void test_wrong(void **state) {
        static const char *const wrong[][5] = {
                {"doorward"},
                {"doorward", "frob"},
                {"doorward", ""},
                {"doorward", "--frob", "list"},
                {"doorward", "-z", "list"},
                {"doorward", "list", "-z"},
                {"doorward", "list", "--json"},
                {"doorward", "list", "--json="},
                {"doorward", "list", "--json=SHORT"},
                {"doorward", "list", "--no-check=1"},
                {"doorward", "list", "--no"},
                {"doorward", "list", "extra"},
                {"doorward", "list", "-r"},
                {"doorward", "-r", "list"},
                {"doorward", "one"},
                {"doorward", "one", "a", "b"},
                {"doorward", "one", "a", "--fd=-1"},
                {"doorward", "one", "a", "--fd=3x"},
                {"doorward", "one", "a", "--fd="},
                {"doorward", "one", "a", "--fd=4294967296"},
                {"doorward", "one", "a", "--user"},
                {"doorward", "one", "a", "--user=-bob"},
                {"doorward", "one", "a", "--user=b ob"},
                {"doorward", "one", "a", "--user=bob@"},
                {"doorward", "list", "--user=bob"},
                {"doorward", "--user=1000", "one", "a"},
                {"doorward", "one", "a", "--user=1000"},
                {"doorward", "one", "a", "--endpoint=docker"},
                {"doorward", "list", "--all"},
                {"doorward", "list", "--block=10min"},
                {"doorward", "filter", "--endpoint="},
                {"doorward", "filter", "--endpoint=docker:ro"},
                {"doorward", "filter", "--endpoint=serial@"},
                {"doorward", "filter", "--endpoint=/run/docker.sock"},
                {"doorward", "filter", "--block"},
                {"doorward", "filter", "--block="},
                {"doorward", "filter", "--block=-1"},
                {"doorward", "filter", "--block=soon"},
                {"doorward", "filter", "--block=infinity"},
                {"doorward", "filter", "--block=99999999999999999999"},
                {"doorward", "filter", "--block=2592001"},
                {"doorward", "filter", "--block=18446744073709"},
                {"doorward", "exec"},
                {"doorward", "exec", "a"},
                {"doorward", "exec", "a", "--"},
                {"doorward", "exec", "--", "true"},
        };
        Parsed p;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(parse_as(&p, NULL, wrong[i]), 2);
}

static void test_words(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "exec", "a", "-r", "b=3", "--", "cmd", "-q", "--", "--help"),
                         -1);
        assert_int_equal(p.n, 2);
        assert_string_equal(p.arguments[0], "a");
        assert_string_equal(p.arguments[1], "b=3");
        assert_int_equal(p.options.given, OPTION_READ_ONLY);
        assert_string_equal(p.options.words[0], "cmd");
        assert_string_equal(p.options.words[1], "-q");
        assert_string_equal(p.options.words[2], "--");
        assert_string_equal(p.options.words[3], "--help");
        assert_null(p.options.words[4]);
}

static void test_help_and_version(void **state) {
        Parsed p;

        assert_int_equal(PARSE(&p, "--version"), 0);
        assert_int_equal(PARSE(&p, "--help"), 0);
        assert_int_equal(PARSE(&p, "-h", "list"), 0);
        assert_int_equal(PARSE(&p, "exec", "--help"), 0);
        assert_int_equal(PARSE(&p, "one", "--version"), 0);
        /* What was given besides need not be right. */
        assert_int_equal(PARSE(&p, "one", "-h", "a", "b", "c"), 0);
}

static void test_preset(void **state) {
        Parsed p;

        assert_int_equal(parse_as(&p, &commands[1], (const char *const[]){"x", NULL}), -1);
        assert_string_equal(p.options.command->name, "one");
        assert_int_equal(parse_as(&p, &commands[1], (const char *const[]){"x", "-r", NULL}), -1);
        assert_int_equal(p.options.given, OPTION_READ_ONLY);
        assert_int_equal(parse_as(&p, &commands[1], (const char *const[]){"x", "y", NULL}), 2);
        assert_int_equal(parse_as(&p, &commands[1], (const char *const[]){"x", "--no-check", NULL}),
                         2);
        assert_int_equal(parse_as(&p, &commands[1], (const char *const[]){"x", "--help", NULL}), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_command),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_debug),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_dashed),
                cmocka_unit_test(test_harmless),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_block),
                cmocka_unit_test(test_wrong),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_help_and_version),
                cmocka_unit_test(test_preset),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
