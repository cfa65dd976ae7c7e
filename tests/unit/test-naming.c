/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/naming.h"
#include "tests/support/tree.h"

/* A test's own $XDG_CONFIG_HOME. The system's file is not there where these tests run, or has none
 * of these names in it. */
static int setup(void **state) {
        static Tree tree;

        tree_init(&tree);
        assert_int_equal(setenv("XDG_CONFIG_HOME", tree.path, 1), 0);
        assert_int_equal(unsetenv("DOORWARD_DEFAULT_URI"), 0);
        *state = &tree;
        return 0;
}

static int teardown(void **state) {
        tree_deinit(*state);
        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        assert_int_equal(unsetenv("DOORWARD_DEFAULT_URI"), 0);
        return 0;
}

static void write_conf(void **state, const char *text) {
        tree_file(*state, "doorward/client.conf", text);
        tree_mode(*state, "doorward/client.conf", 0644);
}

static void check_good(const char *text, unsigned flags, const char *canonical) {
        doorward_error error = {};
        char buf[URI_TEXT_SIZE];
        Uri uri;

        assert_int_equal(naming_resolve(text, flags, &uri, &error), 0);
        assert_null(error.message);
        assert_string_equal(uri_to_string(&uri, buf), canonical);
}

static void check_bad(const char *text, unsigned flags, int errnum, const char *message,
                      const char *hint) {
        doorward_error error = {};
        Uri uri = {.access = 77};

        assert_int_equal(naming_resolve(text, flags, &uri, &error), -errnum);
        assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
        assert_int_equal(error.errnum, errnum);
        if (!strstr(error.message, message))
                fail_msg("\"%s\" is not in \"%s\"", message, error.message);
        if (!strstr(error.hint, hint))
                fail_msg("\"%s\" is not in \"%s\"", hint, error.hint);
        assert_int_equal(uri.access, 77);
        doorward_error_clear(&error);
}

static void check_none(const char *text) {
        doorward_error error = {};
        Uri uri;

        assert_int_equal(naming_resolve(text, 0, &uri, &error), NAMING_E_NONE);
        assert_null(error.message);
}

static void test_plain(void **state) {
        check_good("docker", 0, "doorward:///docker");
        check_good("doorward:///docker?access=full", 0, "doorward:///docker?access=full");
        check_good("doorward+ssh://box/docker", 0, "doorward+ssh://box/docker");
        check_none(NULL);
        check_none("");
}

static void test_aliases(void **state) {
        write_conf(state, "uri_aliases = [\n"
                          "\"docker=doorward+ssh://box/docker\",\n"
                          "\"Big_Box=doorward+unix:///kvm?socket=/run/x&access=read-only\",\n"
                          "\"again=docker\",\n"
                          "\"broken=doorward:///Docker\",\n"
                          "]\n");

        /* It goes before an endpoint of its name, which has a longer one. */
        check_good("docker", 0, "doorward+ssh://box/docker");
        check_good("doorward:///docker", 0, "doorward:///docker");
        check_good("docker", NAMING_NO_ALIASES, "doorward:///docker");
        check_good("Big_Box", 0, "doorward+unix:///kvm?access=read-only&socket=/run/x");
        /* Once. */
        check_good("again", 0, "doorward:///docker");
        /* Exactly. */
        check_good("dockers", 0, "doorward:///dockers");
        check_bad("big_box", 0, EINVAL, "\"big_box\" does not name an endpoint",
                  "Did you mean Big_Box, which is an alias?");
        check_bad("Big_Box", NAMING_NO_ALIASES, EINVAL, "names are of", "Write it as");
        check_bad("docker?access=full", 0, EINVAL, "long form", "doorward:///docker?access=full");

        check_bad("broken", 0, EINVAL, "\"doorward:///Docker\" does not name an endpoint",
                  "doorward/client.conf:5. Write it as");
}

static void test_default(void **state) {
        write_conf(state, "uri_aliases = [\"box=doorward+ssh://box/docker\"]\n"
                          "uri_default = \"box\"\n");
        check_good(NULL, 0, "doorward+ssh://box/docker");
        check_good("", 0, "doorward+ssh://box/docker");
        /* Then it is an endpoint. */
        check_good(NULL, NAMING_NO_ALIASES, "doorward:///box");

        assert_int_equal(setenv("DOORWARD_DEFAULT_URI", "doorward:///kvm", 1), 0);
        check_good(NULL, 0, "doorward:///kvm");
        check_good("docker", 0, "doorward:///docker");
        assert_int_equal(setenv("DOORWARD_DEFAULT_URI", "box", 1), 0);
        check_good(NULL, 0, "doorward+ssh://box/docker");
        assert_int_equal(setenv("DOORWARD_DEFAULT_URI", "qemu:///system", 1), 0);
        check_bad("", 0, EINVAL, "\"qemu:///system\"",
                  "It stands in DOORWARD_DEFAULT_URI in the environment. That is a URI of libvirt");
        assert_int_equal(setenv("DOORWARD_DEFAULT_URI", "", 1), 0);
        check_good(NULL, 0, "doorward+ssh://box/docker");

        write_conf(state, "uri_default = \"\"\n");
        check_none(NULL);
        write_conf(state, "uri_default = \"/run/x\"\n");
        check_bad(NULL, 0, EINVAL, "never a path", "doorward/client.conf:1. Write it as");
}

static void test_local_only(void **state) {
        write_conf(state, "uri_aliases = [\n"
                          "\"box=doorward+ssh://box/docker\",\n"
                          "\"out=doorward+ext:///docker?command=/bin/out\",\n"
                          "\"near=doorward+unix:///docker?socket=/run/x\",\n"
                          "]\n"
                          "uri_default = \"box\"\n");

        check_good("docker", NAMING_LOCAL_ONLY, "doorward:///docker");
        check_good("near", NAMING_LOCAL_ONLY, "doorward+unix:///docker?socket=/run/x");
        check_bad("box", NAMING_LOCAL_ONLY, EREMOTE, "doorward+ssh://box/docker leads away",
                  "doorward:///docker is the endpoint of this machine.");
        check_bad("out", NAMING_LOCAL_ONLY, EREMOTE, "leads away", "doorward:///docker");
        check_bad(NULL, NAMING_LOCAL_ONLY, EREMOTE, "leads away", "doorward:///docker");
        check_bad("doorward+ssh://h/kvm", NAMING_LOCAL_ONLY, EREMOTE, "leads away",
                  "doorward:///kvm");
        check_good("box", NAMING_LOCAL_ONLY | NAMING_NO_ALIASES, "doorward:///box");
}

/* A file that is not understood stops only who needs it. */
static void test_broken_file(void **state) {
        write_conf(state, "uri_aliases = nonsense\n");

        check_good("doorward:///docker", 0, "doorward:///docker");
        check_good("serial@ttyUSB0", 0, "doorward:///serial@ttyUSB0");
        check_good("docker", NAMING_NO_ALIASES, "doorward:///docker");
        check_bad("docker", 0, EINVAL, "doorward/client.conf:1 cannot be understood",
                  "doorward-client.conf(5)");
        check_bad(NULL, 0, EINVAL, "doorward/client.conf:1 cannot be understood",
                  "doorward-client.conf(5)");
        assert_int_equal(setenv("DOORWARD_DEFAULT_URI", "doorward:///kvm", 1), 0);
        check_good(NULL, 0, "doorward:///kvm");

        tree_mode(*state, "doorward/client.conf", 0666);
        check_bad("docker", 0, EINVAL, "others can write it", "chmod go-w /");
}

/* $HOME/.config, if the other is not set or is relative. */
static void test_home(void **state) {
        Tree *tree = *state;
        char *before = getenv("HOME");

        tree_file(tree, ".config/doorward/client.conf", "uri_default = \"kvm\"\n");
        tree_mode(tree, ".config/doorward/client.conf", 0600);
        check_none(NULL);

        before = before ? strdup(before) : NULL;
        assert_int_equal(setenv("HOME", tree->path, 1), 0);
        assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
        check_good(NULL, 0, "doorward:///kvm");
        assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
        check_good(NULL, 0, "doorward:///kvm");
        assert_int_equal(setenv("XDG_CONFIG_HOME", "", 1), 0);
        check_good(NULL, 0, "doorward:///kvm");
        assert_int_equal(setenv("HOME", "relative", 1), 0);
        check_none(NULL);
        assert_int_equal(unsetenv("HOME"), 0);
        check_none(NULL);
        if (before)
                assert_int_equal(setenv("HOME", before, 1), 0);
        free(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_plain),      TEST(test_aliases),     TEST(test_default),
                TEST(test_local_only), TEST(test_broken_file), TEST(test_home),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
