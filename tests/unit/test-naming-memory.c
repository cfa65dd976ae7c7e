/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names without memory: each allocation on the way from a word to a URI fails in turn
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/naming.h"
#include "tests/support/tree.h"

/* Until which one is denied; -1: none is. */
static int left = -1;

static bool denied(void) {
        return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list args);

void *__wrap_malloc(size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_vasprintf(char **ret, const char *format, va_list args) _printf_(2, 0);
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) _printf_(3, 0);
int __wrap_asprintf(char **ret, const char *format, ...) _printf_(2, 3);
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) _printf_(3, 4);

void *__wrap_malloc(size_t n) {
        return denied() ? NULL : __real_malloc(n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return denied() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text) {
        return denied() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n) {
        return denied() ? NULL : __real_strndup(text, n);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args) {
        return denied() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) {
        return denied() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = denied() ? -1 : __real_vasprintf(ret, format, args);
        va_end(args);
        return r;
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = denied() ? -1 : __real_vasprintf(ret, format, args);
        va_end(args);
        return r;
}

/* How many were denied before it went well, or was refused for what it is. Never does a denial
 * become another answer. */
static int deny_each(const char *text, int wanted, const char *canonical) {
        char buf[URI_TEXT_SIZE];
        int n = 0, r;

        for (;; n++) {
                doorward_error error = {};
                bool was_denied;
                Uri uri;

                left = n;
                r = naming_resolve(text, 0, &uri, &error);
                was_denied = left < 0;
                left = -1;

                if (r == 0) {
                        assert_false(was_denied);
                        assert_string_equal(uri_to_string(&uri, buf), canonical);
                        assert_int_equal(wanted, 0);
                        return n;
                }
                assert_non_null(error.message);
                if (!was_denied)
                        assert_int_equal(r, wanted);
                else if (r == -ENOMEM)
                        assert_int_equal(error.code, DOORWARD_ERR_SYSTEM);
                else
                        /* Only the words for it were missing. */
                        assert_int_equal(r, wanted);
                doorward_error_clear(&error);
                if (!was_denied)
                        return n;
        }
}

static void test_denied(void **state) {
        static const char text[] = "uri_aliases = [\n"
                                   "\"a=doorward:///x\",\n"
                                   "\"box=doorward+unix:///docker?socket=/run/x\",\n"
                                   "]\n"
                                   "uri_default = \"box\"\n";
        const char *box = "doorward+unix:///docker?socket=/run/x";
        Tree tree;

        tree_init(&tree);
        tree_file(&tree, "doorward/client.conf", text);
        tree_mode(&tree, "doorward/client.conf", 0644);
        assert_int_equal(setenv("XDG_CONFIG_HOME", tree.path, 1), 0);

        assert_int_equal(deny_each("doorward:///docker", 0, "doorward:///docker"), 1);
        assert_true(deny_each("docker", 0, "doorward:///docker") > 10);
        assert_true(deny_each("box", 0, box) > 10);
        assert_true(deny_each(NULL, 0, box) > 10);
        assert_true(deny_each("Box", -EINVAL, NULL) > 10);
        assert_true(deny_each("doorward:docker", -EINVAL, NULL) > 2);

        tree_file(&tree, "doorward/client.conf", "uri_default = nothing\n");
        tree_mode(&tree, "doorward/client.conf", 0644);
        assert_true(deny_each("docker", -EINVAL, NULL) > 2);

        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        tree_deinit(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_denied),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
