/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/argument.h"

static void assert_parsed(const char *text, const char *word, Access access, int fd,
                          const char *key) {
        Argument argument;

        assert_int_equal(argument_parse(text, ACCESS_FULL, true, &argument), 0);
        assert_null(argument.text);
        assert_string_equal(argument.word, word);
        assert_int_equal(argument.access, access);
        assert_int_equal(argument.fd, fd);
        assert_string_equal(argument.key, key);
}

static void assert_refused(const char *text, int error) {
        static const Argument untouched = {.key = "untouched", .fd = 77};
        Argument argument = untouched;

        assert_int_equal(argument_parse(text, ACCESS_FULL, true, &argument), error);
        assert_memory_equal(&argument, &untouched, sizeof(argument));
        assert_true(strlen(argument_problem(error)) > 0);
}

static void test_forms(void **state) {
        assert_parsed("docker", "docker", ACCESS_FULL, -EBADF, "docker");
        assert_parsed("docker:ro", "docker", ACCESS_READ_ONLY, -EBADF, "docker:ro");
        assert_parsed("docker=0", "docker", ACCESS_FULL, 0, "docker");
        assert_parsed("docker:ro=12", "docker", ACCESS_READ_ONLY, 12, "docker:ro");
        assert_parsed("serial@ttyUSB0", "serial@ttyUSB0", ACCESS_FULL, -EBADF, "serial@ttyUSB0");
        assert_parsed("serial@a.b-c_d:ro=3", "serial@a.b-c_d", ACCESS_READ_ONLY, 3,
                      "serial@a.b-c_d:ro");
        assert_parsed("a=2147483647", "a", ACCESS_FULL, INT_MAX, "a");
        /* What only an alias can be called. */
        assert_parsed("Big_Box-1:ro=3", "Big_Box-1", ACCESS_READ_ONLY, 3, "Big_Box-1:ro");
        assert_parsed("ro-docker", "ro-docker", ACCESS_FULL, -EBADF, "ro-docker");
}

/* To its end; what is wrong about it is said by who parses it. */
static void test_uris(void **state) {
        static const char *const uris[] = {
                "doorward:///docker",
                "doorward:///docker:ro",
                "doorward:///docker=3",
                "doorward+unix:///docker?socket=/run/x=0",
                "doorward+ssh://host:22/docker",
                "doorward:docker",
                "doorward+ssh:",
                "qemu:///system",
                "docker?access=full",
                "?",
        };
        Argument argument;

        for (size_t i = 0; i < ELEMENTSOF(uris); i++) {
                assert_int_equal(argument_parse(uris[i], ACCESS_READ_ONLY, true, &argument), 0);
                assert_ptr_equal(argument.text, uris[i]);
                assert_string_equal(argument.word, "");
                assert_string_equal(argument.key, "");
                assert_int_equal(argument.access, ACCESS_READ_ONLY);
                assert_int_equal(argument.fd, -EBADF);
        }

        argument_default(ACCESS_FULL, &argument);
        assert_null(argument.text);
        assert_string_equal(argument.word, "");
        assert_int_equal(argument.access, ACCESS_FULL);
        assert_int_equal(argument.fd, -EBADF);
}

static void test_longest(void **state) {
        char text[256];
        Argument argument;

        (void)snprintf(text, sizeof(text), "%048d@%064d:ro=7", 0, 0);
        assert_int_equal(argument_parse(text, ACCESS_FULL, true, &argument), 0);
        assert_int_equal(strlen(argument.key), 48 + 1 + 64 + 3);
        assert_int_equal(argument.fd, 7);

        (void)snprintf(text, sizeof(text), "%048d@%065d:ro", 0, 0);
        assert_refused(text, ARGUMENT_E_NAME);
        /* As an alias it can be longer. */
        (void)snprintf(text, sizeof(text), "%064d", 0);
        assert_int_equal(argument_parse(text, ACCESS_FULL, true, &argument), 0);
        (void)snprintf(text, sizeof(text), "%065d", 0);
        assert_refused(text, ARGUMENT_E_NAME);
        (void)snprintf(text, sizeof(text), "%0250d", 0);
        assert_refused(text, ARGUMENT_E_NAME);
}

static void test_names(void **state) {
        static const char *const wrong[] = {
                "",        ":ro",       "=3",       "/run/docker.sock", "do cker",
                "../etc",  "serial@..", "serial@.", "serial@a/b",       "serial@@a",
                "@",       "@ttyUSB0",  "docker\n", "serial@a@b",       "d\xc3\xb6",
                "docker.", "box/x",     "d\tx",     "door:ward",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                Argument argument;
                int r = argument_parse(wrong[i], ACCESS_FULL, true, &argument);

                assert_true(r == ARGUMENT_E_NAME || r == ARGUMENT_E_ACCESS);
        }
}

static void test_template(void **state) {
        assert_refused("serial@", ARGUMENT_E_TEMPLATE);
        assert_refused("serial@:ro", ARGUMENT_E_TEMPLATE);
        assert_refused("serial@=3", ARGUMENT_E_TEMPLATE);
        assert_refused("Serial@", ARGUMENT_E_NAME);
        assert_refused("@", ARGUMENT_E_NAME);
}

static void test_access(void **state) {
        static const char *const wrong[] = {
                "docker:", "docker:rw", "docker:RO", "docker:ro:ro", "docker:full", "docker:ro ",
        };
        Argument argument;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_refused(wrong[i], ARGUMENT_E_ACCESS);

        assert_int_equal(argument_parse("docker", ACCESS_READ_ONLY, false, &argument), 0);
        assert_int_equal(argument.access, ACCESS_READ_ONLY);
}

static void test_numbers(void **state) {
        static const char *const wrong[] = {
                "docker=",     "docker=-1",  "docker=+1",         "docker= 1",
                "docker=1 ",   "docker=01",  "docker=00",         "docker=0x3",
                "docker=1=2",  "docker=ro",  "docker=2147483648", "docker=99999999999999999999999",
                "docker=3:ro", "docker=3.0",
        };
        Argument argument;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_refused(wrong[i], ARGUMENT_E_FD);

        assert_int_equal(argument_parse("docker=3", ACCESS_FULL, false, &argument), ARGUMENT_E_FD);
}

static void assert_program(const char *program, const char *expected, Argument *ret) {
        const char *command = NULL;

        assert_int_equal(argument_from_program(program, &command, ret), 0);
        assert_string_equal(command, expected);
}

static void test_program(void **state) {
        const char *command;
        Argument argument;

        assert_int_equal(
                argument_from_program("/usr/bin/doorward-stdio-libvirt", &command, &argument), 0);
        assert_string_equal(argument.word, "libvirt");
        assert_int_equal(argument.access, ACCESS_FULL);

        assert_int_equal(argument_from_program("doorward-stdio-ro-libvirt", &command, &argument),
                         0);
        assert_string_equal(argument.word, "libvirt");
        assert_int_equal(argument.access, ACCESS_READ_ONLY);

        assert_int_equal(
                argument_from_program("./doorward-stdio-serial@ttyS0", &command, &argument), 0);
        assert_string_equal(argument.word, "serial@ttyS0");
        assert_string_equal(command, "stdio");

        assert_int_equal(argument_from_program("doorward-fdpass-tun", &command, &argument), 0);
        assert_string_equal(command, "fdpass");
        assert_string_equal(argument.word, "tun");
        assert_int_equal(argument.access, ACCESS_FULL);

        assert_program("doorward-listen-docker", "listen", &argument);
        assert_string_equal(argument.word, "docker");
        assert_program("doorward-listen-ro\\x2dvm\\x40a\\x2db", "listen", &argument);
        assert_string_equal(argument.word, "vm@a-b");
        assert_int_equal(argument.access, ACCESS_READ_ONLY);
}

static void test_program_refused(void **state) {
        static const char *const none[] = {
                "doorward",
                "/usr/bin/doorward",
                "",
                "/",
                "stdio-libvirt",
                "/opt/doorward-stdio-libvirt/doorward",
                "doorward-stdio",
                "doorward-list-docker",
                "doorward-stdiox-docker",
        };
        static const char *const wrong[] = {
                "doorward-stdio-",           "doorward-stdio-ro-",      "doorward-stdio-ro-ro-x",
                "doorward-stdio-libvirt:ro", "doorward-stdio-docker=3", "doorward-stdio-Docker",
                "doorward-fdpass-",          "doorward-listen-",        "doorward-listen-a\\x4",
                "doorward-listen-a\\x00b",   "doorward-listen-a\\",     "doorward-listen-a\\xg0b",
                "doorward-listen-a\\x2fb",
        };
        const char *command;
        Argument argument;

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(argument_from_program(none[i], &command, &argument), -ENOENT);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(argument_from_program(wrong[i], &command, &argument),
                                 ARGUMENT_E_NAME);
        assert_int_equal(argument_from_program("doorward-stdio-serial@", &command, &argument),
                         ARGUMENT_E_TEMPLATE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),           cmocka_unit_test(test_uris),
                cmocka_unit_test(test_longest),         cmocka_unit_test(test_names),
                cmocka_unit_test(test_template),        cmocka_unit_test(test_access),
                cmocka_unit_test(test_numbers),         cmocka_unit_test(test_program),
                cmocka_unit_test(test_program_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
