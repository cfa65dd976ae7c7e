/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names without memory: each allocation on the way from a word to a URI fails in turn
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/naming.h"
#include "tests/support/no-memory.h"
#include "tests/support/tree.h"

static const char *text, *canonical;
static int wanted;

/* It goes well, or is refused for what it is, whether or not there was memory for the words. Never
 * does a denial become another answer. */
static bool try_resolve(void) {
        char buf[URI_TEXT_SIZE];
        doorward_error error = {};
        Uri uri;
        int r;

        r = naming_resolve(text, 0, &uri, &error);
        no_memory_set_countdown(-1);
        if (r == 0) {
                assert_false(no_memory_has_struck());
                assert_string_equal(uri_to_string(&uri, buf), canonical);
                assert_int_equal(wanted, 0);
                return true;
        }

        assert_non_null(error.message);
        if (no_memory_has_struck() && r == -ENOMEM)
                assert_int_equal(error.code, DOORWARD_ERR_SYSTEM);
        else
                assert_int_equal(r, wanted);
        doorward_error_clear(&error);
        return !no_memory_has_struck();
}

/* How many allocations there are on the way. */
static long deny_each(const char *of, int result, const char *comes_to) {
        text = of;
        wanted = result;
        canonical = comes_to;
        return no_memory_sweep(try_resolve, 0);
}

static void test_denied(void **state) {
        static const char conf[] = "uri_aliases = [\n"
                                   "\"a=doorward:///x\",\n"
                                   "\"box=doorward+unix:///docker?socket=/run/x\",\n"
                                   "]\n"
                                   "uri_default = \"box\"\n";
        const char *box = "doorward+unix:///docker?socket=/run/x";
        Tree tree;

        tree_init(&tree);
        tree_file(&tree, "doorward/client.conf", conf);
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

        no_memory_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
