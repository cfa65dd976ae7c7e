/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "client/host-info.h"
#include "tests/support/tree.h"

#define NODE "sys/devices/system/node/"
#define CPU "sys/devices/system/cpu/"
#define ID "0123456789abcdef0123456789abcdef"

static int setup(void **state) {
        static Tree tree;

        tree_init(&tree);
        *state = &tree;
        return 0;
}

static int teardown(void **state) {
        tree_deinit(*state);
        return 0;
}

static void put_machine(const Tree *tree) {
        tree_file(tree, "etc/machine-id", ID "\n");
        tree_file(tree, "etc/os-release", "NAME=\"Some\"\nPRETTY_NAME=\"Some System 7 (seven)\"\n");
        tree_file(tree, "proc/meminfo",
                  "MemTotal:       24684084 kB\nMemFree:        22456084 kB\n"
                  "MemAvailable:   24220460 kB\nBuffers:          117484 kB\n");
        tree_file(tree, CPU "online", "0-3,8,10-11\n");
        tree_file(tree, NODE "online", "0,2\n");
        tree_file(tree, NODE "node0/cpulist", "0-3\n");
        tree_file(tree, NODE "node0/meminfo",
                  "Node 0 MemTotal:       16384 kB\nNode 0 MemFree:        8192 kB\n");
        tree_file(tree, NODE "node2/cpulist", "\n");
        tree_file(tree, NODE "node2/meminfo",
                  "Node 2 MemTotal:       4096 kB\nNode 2 MemFree:        0 kB\n");
}

static void test_whole(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;
        struct utsname names;

        put_machine(tree);
        info = host_info_new(tree->path);
        assert_non_null(info);
        assert_int_equal(uname(&names), 0);
        assert_string_equal(info->hostname, names.nodename);
        assert_string_equal(info->kernel, names.release);
        assert_string_equal(info->architecture, names.machine);
        assert_string_equal(info->machine_id, ID);
        assert_string_equal(info->os_name, "Some System 7 (seven)");
        assert_int_equal(info->cpus, 7);
        assert_int_equal(info->memory_total, 24684084ULL * 1024);
        assert_int_equal(info->memory_free, 22456084ULL * 1024);
        assert_int_equal(info->memory_available, 24220460ULL * 1024);
        assert_int_equal(info->n_nodes, 2);
        assert_int_equal(info->nodes[0].id, 0);
        assert_int_equal(info->nodes[0].cpus, 4);
        assert_int_equal(info->nodes[0].memory_total, 16384 * 1024);
        assert_int_equal(info->nodes[0].memory_free, 8192 * 1024);
        /* One that has memory and no processor. */
        assert_int_equal(info->nodes[1].id, 2);
        assert_int_equal(info->nodes[1].cpus, 0);
        assert_int_equal(info->nodes[1].memory_total, 4096 * 1024);
        assert_int_equal(info->nodes[1].memory_free, 0);
        doorward_host_info_free(info);
}

/* A sandbox in which there is nothing: what the kernel says itself is left. */
static void test_nothing(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info = host_info_new(tree->path);

        assert_non_null(info);
        assert_non_null(info->hostname);
        assert_non_null(info->kernel);
        assert_null(info->machine_id);
        assert_null(info->os_name);
        assert_int_equal(info->cpus, 0);
        assert_int_equal(info->memory_total, 0);
        assert_int_equal(info->memory_free, 0);
        assert_int_equal(info->memory_available, 0);
        assert_int_equal(info->n_nodes, 1);
        assert_int_equal(info->nodes[0].id, 0);
        doorward_host_info_free(info);
}

/* A kernel without NUMA: all there is is one node. */
static void test_one_node(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;

        tree_file(tree, "proc/meminfo", "MemTotal: 100 kB\nMemFree: 40 kB\n");
        tree_file(tree, CPU "online", "0-1\n");
        info = host_info_new(tree->path);
        assert_int_equal(info->n_nodes, 1);
        assert_int_equal(info->nodes[0].cpus, 2);
        assert_int_equal(info->nodes[0].memory_total, 102400);
        assert_int_equal(info->nodes[0].memory_free, 40960);
        doorward_host_info_free(info);
}

static void test_os_name(void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"PRETTY_NAME=Bare\n", "Bare"},
                {"PRETTY_NAME='In single \\ quotes'\n", "In single \\ quotes"},
                {"PRETTY_NAME=\"A \\\"quoted\\\" \\$ thing\"\nID=x\n", "A \"quoted\" $ thing"},
                {"X_PRETTY_NAME=no\nPRETTY_NAME=yes", "yes"},
                {"PRETTY_NAME=\"with\tcontrols\x1b[31m\"\n", "with controls?[31m"},
                {"PRETTY_NAME=\"not closed\n", "not closed"},
                {"PRETTY_NAME=\"ends in \\", "ends in \\"},
                {"PRETTY_NAME=\n", NULL},
                {"PRETTY_NAME=\"\"\n", NULL},
                {"NAME=other\n", NULL},
                {"", NULL},
        };
        const Tree *tree = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                doorward_host_info *info;

                tree_file(tree, "usr/lib/os-release", cases[i].text);
                info = host_info_new(tree->path);
                assert_non_null(info);
                if (!cases[i].expected)
                        assert_null(info->os_name);
                else if (!info->os_name || !streq(info->os_name, cases[i].expected))
                        fail_msg("%s: %s", cases[i].text, info->os_name ?: "none");
                doorward_host_info_free(info);
        }
}

/* /etc has the word, if it says anything. */
static void test_os_release_of_etc(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;

        tree_file(tree, "usr/lib/os-release", "PRETTY_NAME=vendor\n");
        tree_file(tree, "etc/os-release", "PRETTY_NAME=local\n");
        info = host_info_new(tree->path);
        assert_string_equal(info->os_name, "local");
        doorward_host_info_free(info);
}

/* What is there and makes no sense is not known. */
static void test_nonsense(void **state) {
        static const char *const lists[] = {"", "x", "3-1", "-4", "0-99999999", "70000", "+", "\n"};
        static const char *const ids[] = {"uninitialized\n", "", "0123\n",
                                          "0123456789ABCDEF0123456789ABCDEF\n", ID "0\n"};
        const Tree *tree = *state;
        doorward_host_info *info;

        tree_file(tree, "proc/meminfo",
                  "MemTotal: many kB\nMemFree: 99999999999999999999 kB\n"
                  "MemAvailable: 7 MB\n");
        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                tree_file(tree, CPU "online", lists[i]);
                tree_file(tree, NODE "online", lists[i]);
                info = host_info_new(tree->path);
                if (info->cpus != 0 || info->n_nodes != 1)
                        fail_msg("%s: %u, %u", lists[i], info->cpus, info->n_nodes);
                assert_int_equal(info->memory_total, 0);
                assert_int_equal(info->memory_free, 0);
                assert_int_equal(info->memory_available, 0);
                doorward_host_info_free(info);
        }
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                tree_file(tree, "etc/machine-id", ids[i]);
                info = host_info_new(tree->path);
                assert_null(info->machine_id);
                doorward_host_info_free(info);
        }
}

/* As many nodes as no machine has are not all looked at. */
static void test_many_nodes(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;

        tree_file(tree, NODE "online", "0-65535\n");
        info = host_info_new(tree->path);
        assert_int_equal(info->n_nodes, 1024);
        assert_int_equal(info->nodes[1023].id, 1023);
        doorward_host_info_free(info);
}

static void test_long_file(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;
        char *text = calloc(1, 20000);

        assert_non_null(text);
        memset(text, '\n', 19999);
        memcpy(text, "PRETTY_NAME=x", strlen("PRETTY_NAME=x"));
        tree_file(tree, "etc/os-release", text);
        tree_file(tree, CPU "online", text);
        info = host_info_new(tree->path);
        assert_null(info->os_name);
        assert_int_equal(info->cpus, 0);
        doorward_host_info_free(info);
        free(text);
}

static void test_json(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info;
        json_t *object, *nodes;

        put_machine(tree);
        info = host_info_new(tree->path);
        object = host_info_to_json(info);
        assert_non_null(object);
        assert_string_equal(json_string_value(json_object_get(object, "hostname")), info->hostname);
        assert_string_equal(json_string_value(json_object_get(object, "machineId")), ID);
        assert_string_equal(json_string_value(json_object_get(object, "osName")),
                            "Some System 7 (seven)");
        assert_int_equal(json_integer_value(json_object_get(object, "cpus")), 7);
        assert_int_equal(json_integer_value(json_object_get(object, "memoryTotal")),
                         24684084LL * 1024);
        nodes = json_object_get(object, "nodes");
        assert_int_equal(json_array_size(nodes), 2);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(nodes, 1), "id")), 2);
        assert_null(json_object_get(json_array_get(nodes, 1), "cpus"));
        json_decref(object);
        doorward_host_info_free(info);

        /* What is not known is not there. */
        tree_remove(tree, "etc/machine-id");
        info = host_info_new(tree->path);
        object = host_info_to_json(info);
        assert_null(json_object_get(object, "machineId"));
        json_decref(object);
        doorward_host_info_free(info);
}

/* What is told by another machine comes to the same. */
static void test_from_json(void **state) {
        const Tree *tree = *state;
        doorward_host_info *info, *told;
        json_t *object, *again;

        put_machine(tree);
        info = host_info_new(tree->path);
        object = host_info_to_json(info);
        assert_int_equal(host_info_from_json(object, &told), 0);
        again = host_info_to_json(told);
        assert_true(json_equal(object, again));
        assert_int_equal(told->nodes[1].memory_total, info->nodes[1].memory_total);
        json_decref(object);
        json_decref(again);
        doorward_host_info_free(told);
        doorward_host_info_free(info);
}

static doorward_host_info *told_of(const char *text) {
        json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
        doorward_host_info *info = NULL;

        assert_non_null(object);
        (void)!host_info_from_json(object, &info);
        json_decref(object);
        return info;
}

/* It is not believed: neither what a terminal would obey, nor what no machine has. */
static void test_hostile_json(void **state) {
        char text[70000], *end = text;
        doorward_host_info *info;

        info = told_of(
                "{\"hostname\":\"a\\u001b[2J\\n\",\"osName\":7,\"kernel\":null,\"machineId\":"
                "\"../../x\",\"cpus\":-1,\"memoryTotal\":\"much\",\"memoryFree\":1.5,"
                "\"nodes\":[7,{\"id\":70000,\"cpus\":3}]}");
        assert_non_null(info);
        assert_string_equal(info->hostname, "a?[2J ");
        assert_null(info->os_name);
        assert_null(info->kernel);
        assert_null(info->machine_id);
        assert_int_equal(info->cpus, 0);
        assert_int_equal(info->memory_total, 0);
        assert_int_equal(info->memory_free, 0);
        assert_int_equal(info->n_nodes, 2);
        assert_int_equal(info->nodes[0].cpus, 0);
        assert_int_equal(info->nodes[1].id, 0);
        assert_int_equal(info->nodes[1].cpus, 3);
        doorward_host_info_free(info);

        /* A name without an end is cut. */
        end = stpcpy(end, "{\"hostname\":\"");
        memset(end, 'a', 60000);
        (void)strcpy(end + 60000, "\"}");
        info = told_of(text);
        assert_int_equal(strlen(info->hostname), 64);
        assert_int_equal(info->n_nodes, 1);
        doorward_host_info_free(info);

        assert_null(told_of("[]"));
        assert_null(told_of("7"));
        end = stpcpy(text, "{\"nodes\":[0");
        for (size_t i = 0; i < 1024; i++)
                end = stpcpy(end, ",0");
        (void)strcpy(end, "]}");
        assert_null(told_of(text));
}

/* Of this machine, and what the C library knows of it, too. */
static void test_this_machine(void **state) {
        doorward_host_info *info = host_info_new("");
        unsigned cpus = 0;

        assert_non_null(info);
        assert_int_equal(info->cpus, sysconf(_SC_NPROCESSORS_ONLN));
        assert_int_equal(info->memory_total / (uint64_t)sysconf(_SC_PAGESIZE),
                         sysconf(_SC_PHYS_PAGES));
        assert_true(info->memory_free > 0 && info->memory_free <= info->memory_total);
        assert_true(info->memory_available <= info->memory_total);
        for (unsigned i = 0; i < info->n_nodes; i++)
                cpus += info->nodes[i].cpus;
        assert_int_equal(cpus, info->cpus);
        doorward_host_info_free(info);
        doorward_host_info_free(NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_whole),
                TEST(test_nothing),
                TEST(test_one_node),
                TEST(test_os_name),
                TEST(test_os_release_of_etc),
                TEST(test_nonsense),
                TEST(test_many_nodes),
                TEST(test_long_file),
                TEST(test_json),
                TEST(test_from_json),
                cmocka_unit_test(test_hostile_json),
                cmocka_unit_test(test_this_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
