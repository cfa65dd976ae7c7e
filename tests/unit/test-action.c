/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config.h"
#include "policy/action.h"
#include "policy/strv.h"
#include "tests/support/tree.h"

static const Tree definitions = {.path = SOURCE_DIR "/policy/endpoints.d"};
static const Tree actions = {.path = SOURCE_DIR "/policy/actions"};

static void test_ids(void **state) {
        char buf[ACTION_TEXT_SIZE], path[ACTION_PATH_SIZE], longest[NAME_ENDPOINT_MAX + 1];

        assert_string_equal(action_endpoint_id("docker", ACCESS_FULL, buf),
                            "org.doorward.endpoint.docker.full");
        assert_string_equal(action_endpoint_id("a-b", ACCESS_READ_ONLY, buf),
                            "org.doorward.endpoint.a-b.read-only");
        assert_string_equal(action_generic_id(ACCESS_FULL), "org.doorward.full");
        assert_string_equal(action_generic_id(ACCESS_READ_ONLY), "org.doorward.read-only");
        assert_string_equal(action_file_name("docker", buf), "org.doorward.endpoint.docker.policy");
        assert_string_equal(action_file_path("docker", path),
                            POLKIT_ACTION_DIR "/org.doorward.endpoint.docker.policy");

        memset(longest, 'x', sizeof(longest));
        longest[NAME_ENDPOINT_MAX] = '\0';
        assert_true(strlen(action_endpoint_id(longest, ACCESS_READ_ONLY, buf)) <
                    ACTION_TEXT_SIZE - 1);
        assert_string_equal(buf + strlen(buf) - 10, ".read-only");
}

/* No endpoint can have the id of another, or a generic one. */
static void test_ids_are_apart(void **state) {
        static const char *const names[] = {"full", "read-only", "endpoint", "manage-leases", "a"};
        char one[ACTION_TEXT_SIZE], other[ACTION_TEXT_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                assert_string_not_equal(action_endpoint_id(names[i], ACCESS_FULL, one),
                                        action_generic_id(ACCESS_FULL));
                for (size_t j = 0; j < ELEMENTSOF(names); j++)
                        assert_int_equal(streq(action_endpoint_id(names[i], ACCESS_FULL, one),
                                               action_endpoint_id(names[j], ACCESS_FULL, other)),
                                         i == j);
        }
}

static Definition *parse(const char *name, const char *path, const char *text) {
        Definition *d = NULL;

        assert_int_equal(definition_parse(name, path, text, &d), 0);
        assert_null(d->problem);
        return d;
}

static void test_message(void **state) {
        _cleanup_(definition_freep) Definition *d =
                parse("n", "/x", "[Endpoint]\nDescription=A & B\n[Full]\nConnectStream=/x\n");
        _cleanup_free_ char *plain = action_message(d, "", ACCESS_FULL);
        _cleanup_free_ char *instance = action_message(d, "i", ACCESS_READ_ONLY);

        assert_string_equal(plain, "Authentication is required for full access to n: A & B");
        assert_string_equal(instance,
                            "Authentication is required for read-only access to n@i: A & B");
}

static void test_escaping(void **state) {
        static const ActionDefaults no = {"no", "no", "no"};
        _cleanup_(definition_freep) Definition *d =
                parse("n", "/x",
                      "[Endpoint]\nDescription=<allow_active>yes</allow_active> & \"it's\" ]]>\n"
                      "[Full]\nConnectStream=/x\n");
        _cleanup_free_ char *text = NULL;

        assert_int_equal(action_print(d, &no, &no, &text), 0);
        assert_null(strstr(text, "<allow_active>yes"));
        assert_non_null(strstr(text, "n: &lt;allow_active&gt;yes&lt;/allow_active&gt; &amp; "
                                     "&quot;it&apos;s&quot; ]]&gt;</description>"));
        assert_non_null(strstr(text, "<allow_active>no</allow_active>"));
}

/* An action for each level that is provided, and no other. */
static void test_levels(void **state) {
        static const ActionDefaults one = {"no", "no", "no"}, two = {"yes", "yes", "yes"};
        _cleanup_(definition_freep) Definition *full =
                parse("n", "/x", "[Full]\nConnectStream=/x\n");
        _cleanup_(definition_freep) Definition *read_only =
                parse("n", "/x", "[ReadOnly]\nConnectStream=/x\n");
        _cleanup_(definition_freep) Definition *wrong = NULL;
        _cleanup_free_ char *full_text = NULL, *read_only_text = NULL;
        char *text = NULL;

        assert_int_equal(action_print(full, &one, &two, &full_text), 0);
        assert_non_null(strstr(full_text, "\"org.doorward.endpoint.n.full\""));
        assert_null(strstr(full_text, "\"org.doorward.endpoint.n.read-only\""));
        assert_null(strstr(full_text, ">no<"));

        assert_int_equal(action_print(read_only, &one, &two, &read_only_text), 0);
        assert_null(strstr(read_only_text, "\"org.doorward.endpoint.n.full\""));
        assert_non_null(strstr(read_only_text, "\"org.doorward.endpoint.n.read-only\""));
        assert_null(strstr(read_only_text, ">yes<"));

        assert_int_equal(definition_parse("n", "/x", "[Full]\n", &wrong), 0);
        assert_int_equal(action_print(wrong, &one, &two, &text), -EINVAL);
        assert_null(text);
}

static void assert_defaults(const ActionDefaults *defaults, const char *any, const char *inactive,
                            const char *active) {
        assert_string_equal(defaults->any, any);
        assert_string_equal(defaults->inactive, inactive);
        assert_string_equal(defaults->active, active);
}

static void test_site_defaults(void **state) {
        static const char text[] = "[ReadOnly]\nConnectStream=/y\n[Full]\nConnectStream=/x\n";
        static const struct {
                const char *name, *path;
        } cases[] = {
                {"n", "/etc/doorward/endpoints.d/n.conf"},
                /* Under a shipped name it is a site's own file all the same... */
                {"libvirt", "/etc/doorward/endpoints.d/libvirt.conf"},
                {"kvm", "/x" PACKAGE_DIR "/endpoints.d/kvm.conf"},
                {"kvm", PACKAGE_DIR "/endpoints.dd/kvm.conf"},
                /* ...and so is what another package ships. */
                {"n", PACKAGE_DIR "/endpoints.d/n.conf"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(definition_freep) Definition *d =
                        parse(cases[i].name, cases[i].path, text);

                assert_defaults(action_defaults(d, ACCESS_READ_ONLY), "auth_admin", "auth_admin",
                                "auth_self");
                assert_defaults(action_defaults(d, ACCESS_FULL), "auth_admin", "auth_admin",
                                "auth_admin");
        }
}

static void test_shipped_with_dropin(void **state) {
        _cleanup_(definition_freep) Definition *d =
                parse("libvirt", PACKAGE_DIR "/endpoints.d/libvirt.conf",
                      "[ReadOnly]\nConnectStream=/x\n");

        assert_defaults(action_defaults(d, ACCESS_READ_ONLY), "auth_admin", "auth_admin", "yes");
        assert_int_equal(strv_push(&d->files, "/etc/doorward/endpoints.d/libvirt.conf.d/x.conf"),
                         0);
        assert_defaults(action_defaults(d, ACCESS_READ_ONLY), "auth_admin", "auth_admin",
                        "auth_self");
}

static Definition *parse_shipped(const char *file) {
        _cleanup_free_ char *text = tree_read(&definitions, file);
        _cleanup_free_ char *path = strv_format(PACKAGE_DIR "/endpoints.d/%s", file);
        _cleanup_free_ char *name = strndup(file, strlen(file) - strlen(".conf"));
        Definition *d = parse(name, path, text);

        assert_null(d->warnings);
        return d;
}

/* Every definition that is shipped can be used, and has the actions that the code prints for it. */
static void test_shipped(void **state) {
        DIR *dir = opendir(definitions.path);
        unsigned n_definitions = 0, n_actions = 0;
        const struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir))) {
                _cleanup_(definition_freep) Definition *d = NULL;
                _cleanup_free_ char *shipped = NULL, *printed = NULL;
                char name[ACTION_TEXT_SIZE];

                if (entry->d_name[0] == '.')
                        continue;
                d = parse_shipped(entry->d_name);
                shipped = tree_read(&actions, action_file_name(d->name, name));
                assert_int_equal(action_print(d, action_defaults(d, ACCESS_READ_ONLY),
                                              action_defaults(d, ACCESS_FULL), &printed),
                                 0);
                assert_string_equal(shipped, printed);

                /* Each level has defaults of its own, and nothing else has. */
                for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                        assert_int_equal(d->targets[access].provided,
                                         action_shipped_defaults(d->name, access) != NULL);
                assert_null(strstr(printed, "_keep"));
                n_definitions++;
        }
        (void)closedir(dir);

        dir = opendir(actions.path);
        assert_non_null(dir);
        while ((entry = readdir(dir)))
                n_actions += entry->d_name[0] != '.';
        (void)closedir(dir);
        assert_int_equal(n_definitions, 9);
        assert_int_equal(n_actions, n_definitions + 1);
}

static void test_generic(void **state) {
        _cleanup_free_ char *shipped = tree_read(&actions, "org.doorward.policy"), *printed = NULL;

        assert_int_equal(action_print_generic(&printed), 0);
        assert_string_equal(shipped, printed);
        assert_non_null(strstr(printed, "\"org.doorward.full\""));
        assert_non_null(strstr(printed, "\"org.doorward.read-only\""));
        assert_non_null(strstr(printed, "\"org.doorward.manage-leases\""));
        assert_null(strstr(printed, "_keep"));
        assert_null(strstr(printed, ">yes<"));
}

/* Without its owner's annotation polkit does not let the broker ask about an action. */
static void test_owner(void **state) {
        DIR *dir = opendir(actions.path);
        const struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir))) {
                _cleanup_free_ char *text = NULL;
                unsigned n_actions = 0, n_owners = 0;

                if (entry->d_name[0] == '.')
                        continue;
                text = tree_read(&actions, entry->d_name);
                for (const char *c = text; (c = strstr(c, "<action id=")); c++)
                        n_actions++;
                for (const char *c = text;
                     (c = strstr(c, "<annotate key=\"org.freedesktop.policykit.owner\">"
                                    "unix-user:" BROKER_USER "</annotate>"));
                     c++)
                        n_owners++;
                assert_in_range(n_actions, 1, 3);
                assert_int_equal(n_actions, n_owners);
        }
        (void)closedir(dir);
}

/* What the shipped definitions open, as far as more than taste depends on it. */
static void test_shipped_contents(void **state) {
        _cleanup_(definition_freep) Definition *docker = parse_shipped("docker.conf"),
                                               *podman = parse_shipped("podman.conf"),
                                               *kvm = parse_shipped("kvm.conf"),
                                               *kmsg = parse_shipped("kmsg.conf"),
                                               *libvirt = parse_shipped("libvirt.conf"),
                                               *mariadb = parse_shipped("mariadb.conf"),
                                               *postgresql = parse_shipped("postgresql.conf"),
                                               *serial = parse_shipped("serial@.conf");

        assert_string_equal(docker->targets[ACCESS_READ_ONLY].profile, "status");
        assert_string_equal(podman->targets[ACCESS_READ_ONLY].profile, "status");
        assert_string_equal(docker->targets[ACCESS_READ_ONLY].paths[0], "/run/docker.sock");
        assert_false(kvm->targets[ACCESS_READ_ONLY].provided);
        assert_false(mariadb->targets[ACCESS_READ_ONLY].provided);
        assert_false(postgresql->targets[ACCESS_READ_ONLY].provided);
        assert_true(kmsg->targets[ACCESS_READ_ONLY].real_limit);
        assert_false(serial->targets[ACCESS_READ_ONLY].real_limit);
        assert_string_equal(definition_connect_as(libvirt), "doorward-libvirt");
        assert_string_equal(definition_connect_as(mariadb), "doorward-mariadb");
        assert_string_equal(mariadb->peer_user, "mysql");
        assert_string_equal(definition_connect_as(postgresql), "doorward-postgresql");
        assert_string_equal(postgresql->peer_user, "postgres");
        assert_string_equal(libvirt->targets[ACCESS_READ_ONLY].paths[0],
                            "/run/libvirt/libvirt-sock-ro");
        assert_true(definition_has_instance(serial, "ttyUSB0"));
        assert_true(definition_has_instance(serial, "ttyS0"));
        assert_true(definition_has_instance(serial, "ttyACM1"));
        assert_false(definition_has_instance(serial, "kvm"));
        assert_false(definition_has_instance(serial, "kmsg"));
        assert_false(definition_has_instance(serial, "tty0"));
        assert_false(definition_has_instance(serial, "tty"));
        assert_false(definition_has_instance(serial, ".."));
        assert_false(definition_has_instance(serial, "net"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids),
                cmocka_unit_test(test_ids_are_apart),
                cmocka_unit_test(test_message),
                cmocka_unit_test(test_escaping),
                cmocka_unit_test(test_levels),
                cmocka_unit_test(test_site_defaults),
                cmocka_unit_test(test_shipped_with_dropin),
                cmocka_unit_test(test_shipped),
                cmocka_unit_test(test_generic),
                cmocka_unit_test(test_owner),
                cmocka_unit_test(test_shipped_contents),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
