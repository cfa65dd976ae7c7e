/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "client/client-conf.h"
#include "tests/support/tree.h"

static void check_alias(const ClientConf *conf, const char *name, const char *uri,
                        const char *where) {
        const ClientConfEntry *entry = client_conf_find(conf, name);

        assert_non_null(entry);
        assert_string_equal(entry->uri, uri);
        assert_string_equal(entry->where, where);
}

static void test_good(void **state) {
        static const char text[] = "# of the house\n"
                                   "\n"
                                   "uri_aliases = [\t# several\n"
                                   "  \"box=doorward+ssh://box/docker?access=full\",\n"
                                   "  # none here\n"
                                   "  \"Other_1-x=doorward:///kvm\" ,\r\n"
                                   "]\n"
                                   "uri_default=\"box\"   # the most used";
        doorward_error error = {};
        ClientConf conf = {};

        assert_int_equal(client_conf_parse(&conf, "/f", text, &error), 0);
        assert_int_equal(conf.n_aliases, 2);
        check_alias(&conf, "box", "doorward+ssh://box/docker?access=full", "/f:4");
        check_alias(&conf, "Other_1-x", "doorward:///kvm", "/f:6");
        assert_string_equal(conf.preset.uri, "box");
        assert_string_equal(conf.preset.where, "/f:8");

        /* Exactly. */
        assert_null(client_conf_find(&conf, "Box"));
        assert_null(client_conf_find(&conf, "bo"));
        assert_null(client_conf_find(&conf, ""));
        assert_string_equal(client_conf_find_nearest(&conf, "bxo"), "box");
        assert_null(client_conf_find_nearest(&conf, "nothing-like-it"));
        client_conf_deinit(&conf);
}

static void test_empty(void **state) {
        static const char *const texts[] = {
                "", "\n\n", "#", "# x", " \t\r\n# x\n", "uri_aliases = []", "uri_aliases=[\n\n]\n"};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                doorward_error error = {};
                ClientConf conf = {};

                assert_int_equal(client_conf_parse(&conf, "/f", texts[i], &error), 0);
                assert_int_equal(conf.n_aliases, 0);
                assert_null(conf.preset.uri);
                client_conf_deinit(&conf);
        }
}

/* Of two files the first one's default counts, also if it is that there is none; and its aliases,
 * where both have one of a name. */
static void test_merge(void **state) {
        doorward_error error = {};
        ClientConf conf = {};

        assert_int_equal(
                client_conf_parse(&conf, "/user", "uri_aliases = [\"a=x\", \"b=y\"]", &error), 0);
        assert_int_equal(client_conf_parse(&conf, "/system",
                                           "uri_default = \"a\"\n"
                                           "uri_aliases = [\"b=other\", \"c=z\"]",
                                           &error),
                         0);
        check_alias(&conf, "a", "x", "/user:1");
        check_alias(&conf, "b", "y", "/user:1");
        check_alias(&conf, "c", "z", "/system:2");
        assert_string_equal(conf.preset.uri, "a");
        assert_string_equal(conf.preset.where, "/system:1");
        client_conf_deinit(&conf);

        assert_int_equal(client_conf_parse(&conf, "/user", "uri_default = \"\"", &error), 0);
        assert_int_equal(client_conf_parse(&conf, "/system", "uri_default = \"a\"", &error), 0);
        assert_string_equal(conf.preset.uri, "");
        assert_string_equal(conf.preset.where, "/user:1");
        client_conf_deinit(&conf);
}

static void check_bad(const char *text, unsigned line, const char *why, const char *hint) {
        doorward_error error = {};
        ClientConf conf = {};
        char message[512];

        (void)snprintf(message, sizeof(message), "/f:%u cannot be understood: %s.", line, why);
        assert_int_equal(client_conf_parse(&conf, "/f", text, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
        assert_int_equal(error.errnum, EINVAL);
        assert_string_equal(error.message, message);
        assert_string_equal(error.hint,
                            hint
                                    ?: "doorward-client.conf(5) says how it is written; "
                                       "doorward:///ENDPOINT is opened without it.");
        doorward_error_clear(&error);
        client_conf_deinit(&conf);
}

static void test_bad(void **state) {
        static const char keys[] = "The keys are uri_aliases and uri_default.";
        char text[256];

        check_bad("uri_defualt = \"x\"", 1, "there is no key 'uri_defualt'",
                  "Did you mean uri_default?");
        check_bad("\nuri_alias = []", 2, "there is no key 'uri_alias'",
                  "Did you mean uri_aliases?");
        check_bad("remote_mode = \"x\"", 1, "there is no key 'remote_mode'", keys);
        (void)snprintf(text, sizeof(text), "uri_default%060d = \"x\"", 1);
        check_bad(text, 1, "there is no key 'uri_default000000000000000000000'", keys);
        check_bad("= \"x\"", 1, "a line begins with a key", NULL);
        check_bad("[section]", 1, "a line begins with a key", NULL);
        check_bad("; comment", 1, "a line begins with a key", NULL);
        check_bad("uri_default", 1, "an equals sign follows a key", NULL);
        check_bad("uri_default\n= \"x\"", 1, "an equals sign follows a key", NULL);
        check_bad("uri_default \"x\"", 1, "an equals sign follows a key", NULL);
        check_bad("uri_default = x", 1, "a text stands in double quotes", NULL);
        check_bad("uri_default = 'x'", 1, "a text stands in double quotes", NULL);
        check_bad("uri_default = [\"x\"]", 1, "a text stands in double quotes", NULL);
        check_bad("uri_default =\n\"x\"", 1, "a text stands in double quotes", NULL);
        check_bad("uri_default =", 1, "a text stands in double quotes", NULL);
        check_bad("uri_default = \"x", 1, "the text does not end on its line", NULL);
        check_bad("uri_default = \"x\n\"", 1, "the text does not end on its line", NULL);
        check_bad("uri_default = \"x\" \"y\"", 1, "something follows the value on its line", NULL);
        check_bad("uri_default = \"x\" uri_aliases = []", 1,
                  "something follows the value on its line", NULL);
        check_bad("uri_default = \"x\"\nuri_default = \"x\"", 2, "uri_default stands there twice",
                  NULL);
        check_bad("uri_aliases = []\n\nuri_aliases = []", 3, "uri_aliases stands there twice",
                  NULL);

        check_bad("uri_aliases = \"a=b\"", 1, "a list stands in brackets", NULL);
        check_bad("uri_aliases = [", 1, "the list has no end", NULL);
        check_bad("uri_aliases = [\n\"a=b\",\n", 3, "the list has no end", NULL);
        check_bad("uri_aliases = [\"a=b\"", 1, "the list has no end", NULL);
        check_bad("uri_aliases = [\"a=b\"\n\"c=d\"]", 2, "a comma is missing between two texts",
                  NULL);
        check_bad("uri_aliases = [,]", 1, "a text stands in double quotes", NULL);
        check_bad("uri_aliases = [\"a=b\",,]", 1, "a text stands in double quotes", NULL);
        check_bad("uri_aliases = [\"a=b\" x]", 1, "a text stands in double quotes", NULL);
        check_bad("uri_aliases = [[]]", 1, "a text stands in double quotes", NULL);
        check_bad("uri_aliases = [] x", 1, "something follows the value on its line", NULL);

        check_bad("uri_aliases = [\"a\"]", 1, "an alias is written \"NAME=URI\"", NULL);
        check_bad("uri_aliases = [\"\"]", 1, "an alias is written \"NAME=URI\"", NULL);
        check_bad("uri_aliases = [\"=b\"]", 1,
                  "an alias is called by letters, digits, '-' and '_', 64 at most", NULL);
        check_bad("uri_aliases = [\"a b=c\"]", 1,
                  "an alias is called by letters, digits, '-' and '_', 64 at most", NULL);
        check_bad("uri_aliases = [\"a =c\"]", 1,
                  "an alias is called by letters, digits, '-' and '_', 64 at most", NULL);
        check_bad("uri_aliases = [\"a:b=c\"]", 1,
                  "an alias is called by letters, digits, '-' and '_', 64 at most", NULL);
        (void)snprintf(text, sizeof(text), "uri_aliases = [\"%065d=x\"]", 1);
        check_bad(text, 1, "an alias is called by letters, digits, '-' and '_', 64 at most", NULL);
        check_bad("uri_aliases = [\"a=\"]", 1, "the alias a stands for nothing", NULL);
        check_bad("uri_aliases = [\"a=b\",\n\"a=b\"]", 2, "the alias a stands there twice", NULL);
}

static void test_limits(void **state) {
        char text[8192] = "uri_aliases = [";
        doorward_error error = {};
        ClientConf conf = {};

        for (unsigned i = 0; i < CLIENT_CONF_ALIASES_MAX; i++)
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"a%u=x\",", i);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\n]");
        assert_int_equal(client_conf_parse(&conf, "/f", text, &error), 0);
        assert_int_equal(conf.n_aliases, CLIENT_CONF_ALIASES_MAX);
        /* It is of each file. */
        assert_int_equal(client_conf_parse(&conf, "/g", text, &error), 0);
        client_conf_deinit(&conf);

        (void)snprintf(text + strlen(text) - 1, sizeof(text) - strlen(text), "\"b=x\"]");
        check_bad(text, 2, "there are more than 256 aliases", NULL);
}

static void check_file(const Tree *tree, const char *name, uid_t owner, const char *why) {
        doorward_error error = {};
        ClientConf conf = {};
        char path[TREE_PATH_SIZE], message[2 * TREE_PATH_SIZE];

        (void)tree_path(tree, name, path);
        assert_int_equal(client_conf_read(&conf, path, owner, &error), why ? -EINVAL : 0);
        if (why) {
                (void)snprintf(message, sizeof(message), "%s cannot be used: %s.", path, why);
                assert_string_equal(error.message, message);
                assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
                assert_non_null(error.hint);
        } else
                assert_null(error.message);
        doorward_error_clear(&error);
        client_conf_deinit(&conf);
}

static void test_files(void **state) {
        static const char long_line[] = "# 123456789 123456789 123456789 123456789 123456789 123\n";
        static char text[CLIENT_CONF_SIZE_MAX + 2];
        const uid_t anybody = (uid_t)-1;
        doorward_error error = {};
        ClientConf conf = {};
        char path[TREE_PATH_SIZE];
        Tree tree;

        tree_init(&tree);
        tree_file(&tree, "good", "uri_default = \"docker\"\n");
        tree_mode(&tree, "good", 0644);
        assert_int_equal(client_conf_read(&conf, tree_path(&tree, "good", path), geteuid(), &error),
                         0);
        assert_string_equal(conf.preset.uri, "docker");
        client_conf_deinit(&conf);

        /* What is not there has nothing to say. */
        check_file(&tree, "missing", anybody, NULL);
        check_file(&tree, "good/below-a-file", anybody, NULL);

        tree_folder(&tree, "folder");
        check_file(&tree, "folder", anybody, "it is no file");
        assert_int_equal(mkfifo(tree_path(&tree, "fifo", path), 0600), 0);
        check_file(&tree, "fifo", anybody, "it is no file");

        tree_mode(&tree, "good", 0664);
        check_file(&tree, "good", geteuid(), "others can write it");
        tree_mode(&tree, "good", 0646);
        check_file(&tree, "good", geteuid(), "others can write it");
        /* The system's is in a folder of root's. */
        check_file(&tree, "good", anybody, NULL);

        memset(text, '\n', sizeof(text));
        for (size_t i = 0; i + sizeof(long_line) < sizeof(text); i += strlen(long_line))
                memcpy(text + i, long_line, strlen(long_line));
        text[CLIENT_CONF_SIZE_MAX + 1] = 0;
        tree_file(&tree, "long", text);
        check_file(&tree, "long", anybody, "it is too long");
        text[CLIENT_CONF_SIZE_MAX] = 0;
        tree_file(&tree, "longest", text);
        check_file(&tree, "longest", anybody, NULL);

        tree_bytes(&tree, "nul", "# \0\n", 4);
        check_file(&tree, "nul", anybody, "there is a NUL in it");
        tree_deinit(&tree);
}

/* Whose it is counts, unless it is root's. */
static void test_owner(void **state) {
        Tree tree;

        tree_init(&tree);
        tree_file(&tree, "file", "");
        tree_mode(&tree, "file", 0644);
        if (tree_owner() != 0)
                check_file(&tree, "file", tree_stranger(), "it belongs to somebody else");
        if (tree_give_away(&tree, "file") == 0)
                check_file(&tree, "file", tree_owner(), "it belongs to somebody else");
        tree_deinit(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),   cmocka_unit_test(test_empty),
                cmocka_unit_test(test_merge),  cmocka_unit_test(test_bad),
                cmocka_unit_test(test_limits), cmocka_unit_test(test_files),
                cmocka_unit_test(test_owner),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
