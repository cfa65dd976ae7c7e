/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/catalogue.h"
#include "policy/strv.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

#define SOCKET "[Full]\nConnectStream=/run/x.sock\n"
#define TEMPLATE "[Endpoint]\nInstance=*\n[Full]\nConnectStream=/run/%i.sock\n"
#define WRONG "[Full]\nConnectStream=here\n"

typedef struct House {
        Tree tree;
        char *folders[3];
} House;

static int setup(void **state) {
        static House house;

        tree_init(&house.tree);
        house.folders[0] = strv_format("%s/upper", house.tree.path);
        house.folders[1] = strv_format("%s/lower", house.tree.path);
        *state = &house;
        return 0;
}

static int teardown(void **state) {
        House *house = *state;

        free(house->folders[0]);
        free(house->folders[1]);
        tree_deinit(&house->tree);
        return 0;
}

static Catalogue *load(House *house, Catalogue *earlier) {
        int n = fds_count();
        Catalogue *catalogue = NULL;

        assert_int_equal(catalogue_load_trusting(house->folders, tree_owner(), earlier, &catalogue),
                         0);
        assert_int_equal(fds_count(), n);
        return catalogue;
}

static const Definition *find(const Catalogue *catalogue, const char *text) {
        Name name;

        assert_int_equal(name_parse(text, &name), 0);
        return catalogue_find(catalogue, &name);
}

static void test_empty(void **state) {
        _cleanup_(catalogue_freep) Catalogue *catalogue = load(*state, NULL);

        assert_int_equal(catalogue->n_definitions, 0);
        assert_null(catalogue->warnings);
        assert_null(find(catalogue, "a"));
}

static void test_order_and_find(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;

        tree_file(&house->tree, "lower/b.conf", SOCKET);
        tree_file(&house->tree, "upper/a.conf", SOCKET);
        tree_file(&house->tree, "lower/a.conf", "[Full]\nConnectStream=/run/lower.sock\n");
        tree_file(&house->tree, "lower/c@.conf", TEMPLATE);
        tree_file(&house->tree, "lower/a-b.conf", SOCKET);
        tree_file(&house->tree, "lower/masked.conf", SOCKET);
        tree_link(&house->tree, "upper/masked.conf", "/dev/null");
        tree_file(&house->tree, "lower/dropins.conf.d/x.conf", SOCKET);

        catalogue = load(house, NULL);
        assert_null(catalogue->warnings);
        assert_int_equal(catalogue->n_definitions, 4);
        assert_string_equal(catalogue->definitions[0]->name, "a");
        assert_string_equal(catalogue->definitions[1]->name, "a-b");
        assert_string_equal(catalogue->definitions[2]->name, "b");
        assert_string_equal(catalogue->definitions[3]->name, "c");

        assert_string_equal(find(catalogue, "a")->targets[ACCESS_FULL].paths[0], "/run/x.sock");
        assert_ptr_equal(find(catalogue, "c@x"), catalogue->definitions[3]);
        assert_null(find(catalogue, "c"));
        assert_null(find(catalogue, "a@x"));
        assert_null(find(catalogue, "masked"));
        assert_null(find(catalogue, "dropins"));
}

static void test_other_files(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;

        tree_file(&house->tree, "upper/Upper.conf", SOCKET);
        tree_file(&house->tree, "upper/ro-x.conf", SOCKET);
        tree_file(&house->tree, "upper/serial@ttyS0.conf", TEMPLATE);
        tree_file(&house->tree, "upper/@.conf", TEMPLATE);
        tree_file(&house->tree, "upper/.conf", SOCKET);
        tree_file(&house->tree, "upper/.hidden.conf", SOCKET);
        tree_file(&house->tree, "upper/README", "read me");
        tree_file(&house->tree, "upper/a.conf~", SOCKET);
        tree_file(&house->tree, "upper/a.conf.dpkg-new", SOCKET);
        tree_file(&house->tree, "upper/x\n.conf", SOCKET);
        tree_file(&house->tree, "upper/0123456789012345678901234567890123456789012345678.conf",
                  SOCKET);

        catalogue = load(house, NULL);
        assert_int_equal(catalogue->n_definitions, 0);
        assert_int_equal(strv_length(catalogue->warnings), 5);
        for (char **warning = catalogue->warnings; *warning; warning++)
                assert_non_null(strstr(*warning, "is ignored: an endpoint's file is called"));
}

/* What is wrong with one costs the others nothing. */
static void test_wrong_files(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;

        tree_file(&house->tree, "upper/a.conf", WRONG);
        tree_file(&house->tree, "upper/b.conf", "\xff\n");
        tree_folder(&house->tree, "upper/c.conf");
        tree_link(&house->tree, "upper/d.conf", "e.conf");
        tree_file(&house->tree, "upper/e.conf", SOCKET);
        tree_file(&house->tree, "upper/f.conf", SOCKET);
        tree_mode(&house->tree, "upper/f.conf", 0666);

        catalogue = load(house, NULL);
        assert_int_equal(catalogue->n_definitions, 6);
        for (size_t i = 0; i < 6; i++)
                assert_int_equal(!catalogue->definitions[i]->problem,
                                 streq(catalogue->definitions[i]->name, "e"));
}

static void test_untrusted_folder(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;

        tree_file(&house->tree, "upper/a.conf", SOCKET);
        tree_file(&house->tree, "lower/b.conf", SOCKET);
        tree_mode(&house->tree, "lower", 0777);

        catalogue = load(house, NULL);
        assert_int_equal(catalogue->n_definitions, 2);
        assert_non_null(strstr(catalogue->definitions[0]->problem, "/lower can be written"));
        assert_non_null(strstr(catalogue->definitions[1]->problem, "/lower can be written"));
        assert_int_equal(strv_length(catalogue->warnings), 1);
        assert_non_null(strstr(catalogue->warnings[0], "/lower can be written"));
}

static void test_clash(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *first = NULL, *both = NULL;

        tree_file(&house->tree, "lower/s@.conf", TEMPLATE);
        first = load(house, NULL);
        assert_null(first->definitions[0]->problem);

        /* What was good before is not kept here: its opener is another's now. */
        tree_file(&house->tree, "upper/s.conf", SOCKET);
        both = load(house, first);
        assert_int_equal(both->n_definitions, 2);
        assert_false(both->definitions[0]->template);
        assert_null(both->definitions[0]->problem);
        assert_true(both->definitions[1]->template);
        assert_non_null(strstr(both->definitions[1]->problem, "would share their opener"));
        assert_false(both->definitions[1]->targets[ACCESS_FULL].provided);
}

static bool has(const Catalogue *catalogue, const char *text) {
        Name name;

        assert_int_equal(name_parse(text, &name), 0);
        return catalogue_has(catalogue, &name);
}

/* What somebody can have a lease on, and a template for all of its instances. */
static void test_has(void **state) {
        House *house = *state;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;

        tree_file(&house->tree, "lower/a.conf", SOCKET);
        tree_file(&house->tree, "lower/s@.conf",
                  "[Endpoint]\nInstance=x*\n[Full]\nConnectStream=/run/%i.sock\n");
        tree_file(&house->tree, "lower/wrong@.conf", "[Full]\n");
        catalogue = load(house, NULL);
        assert_true(has(catalogue, "a"));
        assert_false(has(catalogue, "a@x"));
        assert_false(has(catalogue, "b"));
        assert_true(has(catalogue, "s"));
        assert_true(has(catalogue, "s@x"));
        assert_false(has(catalogue, "s@y"));
        /* Of one that is wrong nobody knows any more which it allowed. */
        assert_true(has(catalogue, "wrong@x"));
}

static void test_reload(void **state) {
        House *house = *state;
        Catalogue *earlier, *later;
        const Definition *a, *b;

        tree_file(&house->tree, "upper/a.conf", SOCKET);
        tree_file(&house->tree, "upper/b.conf", SOCKET);
        tree_file(&house->tree, "upper/gone.conf", SOCKET);
        tree_file(&house->tree, "upper/bad.conf", WRONG);
        earlier = load(house, NULL);
        a = find(earlier, "a");
        b = find(earlier, "b");

        tree_file(&house->tree, "upper/a.conf", WRONG);
        tree_file(&house->tree, "upper/b.conf", SOCKET "Lease=none\n");
        tree_file(&house->tree, "upper/bad.conf", "\n");
        tree_file(&house->tree, "upper/new.conf", WRONG);
        tree_remove(&house->tree, "upper/gone.conf");
        later = load(house, earlier);

        /* a's file is wrong now: the earlier one itself moves over. */
        assert_ptr_equal(find(later, "a"), a);
        assert_null(a->problem);
        assert_int_equal(strv_length(a->warnings), 1);
        assert_non_null(strstr(a->warnings[0], "not in force: "));
        assert_non_null(strstr(a->warnings[0], "a.conf:2: "));
        assert_null(find(earlier, "a"));

        assert_ptr_not_equal(find(later, "b"), b);
        assert_ptr_equal(find(earlier, "b"), b);
        assert_string_not_equal(find(later, "b")->hash, b->hash);
        assert_null(find(later, "gone"));
        assert_non_null(find(earlier, "gone"));
        assert_non_null(strstr(find(later, "bad")->problem, "it provides nothing"));
        assert_non_null(find(later, "new")->problem);
        catalogue_free(earlier);

        /* Once more: what is said of it is said once. */
        earlier = later;
        tree_file(&house->tree, "upper/a.conf", SOCKET "MaxSec=never\n");
        later = load(house, earlier);
        assert_ptr_equal(find(later, "a"), a);
        assert_int_equal(strv_length(a->warnings), 1);
        assert_non_null(strstr(a->warnings[0], "a.conf:3: "));
        catalogue_free(earlier);

        /* And made good it is new again. */
        earlier = later;
        tree_file(&house->tree, "upper/a.conf", SOCKET);
        later = load(house, earlier);
        assert_ptr_not_equal(find(later, "a"), a);
        assert_null(find(later, "a")->warnings);
        catalogue_free(earlier);
        catalogue_free(later);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
                cmocka_unit_test_setup_teardown(test_order_and_find, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_wrong_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_untrusted_folder, setup, teardown),
                cmocka_unit_test_setup_teardown(test_has, setup, teardown),
                cmocka_unit_test_setup_teardown(test_clash, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
