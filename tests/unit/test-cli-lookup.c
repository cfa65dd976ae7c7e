/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cli/exit-status.h"
#include "cli/lookup.h"
#include "policy/inifile.h"

#define DEFINITION                            \
        "[Endpoint]\nDescription=A service\n" \
        "[Full]\nConnectStream=/run/service.sock\n"

static char folder[] = "/tmp/doorward-lookup-XXXXXX";

static void test_names(void **state) {
        static const struct {
                const char *word, *name; /* NULL: none */
        } table[] = {
                {"docker", "docker"},
                {"serial@", "serial"},
                {"serial@ttyUSB0", "serial"},
                {"", NULL},
                {"@", NULL},
                {"@ttyUSB0", NULL},
                {"serial@@", NULL},
                {"serial@..", NULL},
                {"serial@a/b", NULL},
                {"ro-docker", NULL},
                {"Docker", NULL},
                {"../docker", NULL},
                {"docker.conf", NULL},
                {"docker:ro", NULL},
                {"a23456789012345678901234567890123456789012345678",
                 "a23456789012345678901234567890123456789012345678"},
                {"a234567890123456789012345678901234567890123456789", NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char name[NAME_ENDPOINT_MAX + 1] = "untouched";

                assert_int_equal(lookup_name(table[i].word, name), table[i].name != NULL);
                assert_string_equal(name, table[i].name ? table[i].name : "untouched");
        }
}

/* Writes a file of this name, looks it up without a word on standard error, and removes it. Returns
 * what lookup_file() does. */
static int lookup_written(const char *name, const char *text, size_t size, Definition **ret) {
        const Options options = {.fd = -EBADF};
        int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), fd, null_fd, status;
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, size), size);
        close_fd(fd);

        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        assert_true(dup2(null_fd, STDERR_FILENO) >= 0);
        status = lookup_file(&options, path, ret);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close_fd(null_fd);
        close_fd(saved);
        assert_int_equal(unlink(path), 0);
        return status;
}

static void test_file(void **state) {
        _cleanup_(definition_freep) Definition *definition = NULL;

        assert_int_equal(
                lookup_written("service.conf", DEFINITION, strlen(DEFINITION), &definition), -1);
        assert_string_equal(definition->name, "service");
        assert_false(definition->template);
        assert_null(definition->problem);
}

static void test_template_file(void **state) {
        static const char text[] = "[Endpoint]\nDescription=Lines\nInstance=tty*\n"
                                   "[Full]\nOpenFile=/dev/%i\n"
                                   "[Connect]\nDevice=char:ttyS\n";
        _cleanup_(definition_freep) Definition *definition = NULL;

        assert_int_equal(lookup_written("line@.conf", text, strlen(text), &definition), -1);
        assert_string_equal(definition->name, "line");
        assert_true(definition->template);
}

/* A definition with a problem is still one: verify tells what it is. */
static void test_file_with_a_problem(void **state) {
        _cleanup_(definition_freep) Definition *definition = NULL;

        assert_int_equal(lookup_written("service.conf", "[Endpoint]\n", 11, &definition), -1);
        assert_non_null(definition->problem);
}

static void test_wrong_names(void **state) {
        static const char *const names[] = {
                "service",
                ".conf",
                "@.conf",
                "Service.conf",
                "line@ttyS0.conf",
                "ro-service.conf",
                "service.conf.bak",
                "a b.conf",
                "a2345678901234567890123456789012345678901234567890.conf",
        };
        Definition *definition = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(
                        lookup_written(names[i], DEFINITION, strlen(DEFINITION), &definition), 2);
        assert_null(definition);
}

static void test_wrong_files(void **state) {
        static char big[INIFILE_SIZE_MAX + 1];
        Definition *definition = NULL;

        memset(big, '\n', sizeof(big));
        memcpy(big, DEFINITION, strlen(DEFINITION));
        assert_int_equal(lookup_written("service.conf", big, INIFILE_SIZE_MAX, &definition), -1);
        assert_null(definition->problem);
        definition = definition_free(definition);
        assert_int_equal(lookup_written("service.conf", big, sizeof(big), &definition), 1);
        assert_int_equal(lookup_written("service.conf", "a\0b", 3, &definition),
                         EXIT_STATUS_DEFINITION);
        assert_null(definition);
}

static int make_folder(void **state) {
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
        return rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),         cmocka_unit_test(test_file),
                cmocka_unit_test(test_template_file), cmocka_unit_test(test_file_with_a_problem),
                cmocka_unit_test(test_wrong_names),   cmocka_unit_test(test_wrong_files),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
