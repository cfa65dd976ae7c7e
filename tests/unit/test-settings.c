/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/settings.h"
#include "policy/strv.h"
#include "policy/timespan.h"
#include "tests/support/tree.h"

static Settings *parse(const char *lines) {
        _cleanup_free_ char *text = strv_format("[Broker]\n%s", lines);
        Settings *settings = NULL;

        assert_int_equal(settings_parse("/x/doorward.conf", text, &settings), 0);
        assert_null(settings->problem);
        return settings;
}

static void assert_defaults(const Settings *s) {
        assert_int_equal(s->connections_per_user, 16);
        assert_int_equal(s->connections_max, 256);
        assert_int_equal(s->leases_per_user, 256);
        assert_int_equal(s->filters_per_user, 128);
        assert_int_equal(s->filters_max, 1024);
        assert_int_equal(s->leases_max, 10000);
        assert_int_equal(s->descriptors_per_lease, 1024);
        assert_int_equal(s->request_rate, 20);
        assert_int_equal(s->request_burst, 40);
        assert_int_equal(s->request_timeout_usec, 5 * USEC_PER_SEC);
        assert_int_equal(s->policy_checks_max, 8);
        assert_int_equal(s->policy_checks_per_user, 3);
        assert_int_equal(s->policy_timeout_usec, 20 * USEC_PER_SEC);
        assert_int_equal(s->interactive_timeout_usec, 120 * USEC_PER_SEC);
        assert_int_equal(s->conversations_max, 32);
        assert_int_equal(s->failures_max, 10);
        assert_int_equal(s->penalty_usec, 60 * USEC_PER_SEC);
        assert_int_equal(s->open_timeout_usec, 7 * USEC_PER_SEC);
        assert_int_equal(s->audit_timeout_usec, 2 * USEC_PER_SEC);
        assert_true(s->audit_required);
        assert_int_equal(s->audit_queue_max, 16384);
        assert_int_equal(s->idle_exit_usec, 60 * USEC_PER_SEC);
        assert_int_equal(s->allow_foreign_user_namespace, FOREIGN_NAMESPACE_READ_ONLY);
        assert_false(s->proof_always);
        assert_null(s->identities);
}

static void test_defaults(void **state) {
        _cleanup_(settings_freep) Settings *s = parse("");

        assert_defaults(s);
        assert_null(s->warnings);
}

static void test_values(void **state) {
        _cleanup_(settings_freep) Settings *s = parse("ConnectionsPerUser=1\n"
                                                      "ConnectionsMax=2\n"
                                                      "LeasesPerUser=3\n"
                                                      "LeasesMax=4\n"
                                                      "DescriptorsPerLease=5\n"
                                                      "RequestRate=100000\n"
                                                      "RequestBurst=7\n"
                                                      "RequestTimeoutSec=8s\n"
                                                      "PolicyChecksMax=9\n"
                                                      "PolicyChecksPerUser=10\n"
                                                      "PolicyTimeoutSec=1min 1s\n"
                                                      "InteractiveTimeoutSec=12\n"
                                                      "OpenTimeoutSec=13\n"
                                                      "AuditTimeoutSec=14\n"
                                                      "AuditRequired=no\n"
                                                      "AuditQueueMax=100\n"
                                                      "IdleExitSec=1500ms\n"
                                                      "AllowForeignUserNamespace=yes\n"
                                                      "IdentityProof=always\n"
                                                      "LogLevel=debug\n"
                                                      "Identities=backup www-data\n"
                                                      "X-Mine=1\n");

        assert_null(s->warnings);
        assert_int_equal(s->connections_per_user, 1);
        assert_int_equal(s->connections_max, 2);
        assert_int_equal(s->leases_per_user, 3);
        assert_int_equal(s->leases_max, 4);
        assert_int_equal(s->descriptors_per_lease, 5);
        assert_int_equal(s->request_rate, 100000);
        assert_int_equal(s->request_burst, 7);
        assert_int_equal(s->request_timeout_usec, 8 * USEC_PER_SEC);
        assert_int_equal(s->policy_checks_max, 9);
        assert_int_equal(s->policy_checks_per_user, 10);
        assert_int_equal(s->policy_timeout_usec, 61 * USEC_PER_SEC);
        assert_int_equal(s->interactive_timeout_usec, 12 * USEC_PER_SEC);
        assert_int_equal(s->open_timeout_usec, 13 * USEC_PER_SEC);
        assert_int_equal(s->audit_timeout_usec, 14 * USEC_PER_SEC);
        assert_false(s->audit_required);
        assert_int_equal(s->audit_queue_max, 100);
        assert_int_equal(s->idle_exit_usec, 1500000);
        assert_int_equal(s->allow_foreign_user_namespace, FOREIGN_NAMESPACE_YES);
        assert_true(s->proof_always);
        assert_true(s->log_debug);
        assert_int_equal(strv_length(s->identities), 2);
        assert_string_equal(s->identities[0], "backup");
        assert_string_equal(s->identities[1], "www-data");
}

/* Set to what is not the default and then to nothing, everything is at its default again. */
static void test_reset(void **state) {
        _cleanup_(settings_freep) Settings *s =
                parse("ConnectionsPerUser=1\nPolicyTimeoutSec=1\nAuditRequired=no\n"
                      "AllowForeignUserNamespace=no\nIdentityProof=always\nIdentities=a "
                      "b\nLogLevel=debug\n"
                      "ConnectionsPerUser=\nPolicyTimeoutSec=\nAuditRequired=\n"
                      "AllowForeignUserNamespace=\nIdentityProof=\nIdentities=\nLogLevel=\n");

        assert_defaults(s);
        assert_null(s->warnings);
}

static void test_refused_values(void **state) {
        static const struct {
                const char *line, *range;
        } cases[] = {
                {"ConnectionsPerUser=0", "a number from 1 to 4096"},
                {"ConnectionsPerUser=4097", "a number from 1 to 4096"},
                {"ConnectionsPerUser=-1", "a number from 1 to 4096"},
                {"ConnectionsPerUser=+5", "a number from 1 to 4096"},
                {"ConnectionsPerUser=0x5", "a number from 1 to 4096"},
                {"ConnectionsPerUser=5k", "a number from 1 to 4096"},
                {"ConnectionsPerUser=5 5", "a number from 1 to 4096"},
                {"LeasesMax=4294967297", "a number from 1 to 100000"},
                {"LeasesMax=18446744073709551617", "a number from 1 to 100000"},
                {"PolicyChecksMax=33", "a number from 1 to 32"},
                {"PolicyTimeoutSec=0", "a time from 1s to 2min"},
                {"PolicyTimeoutSec=999ms", "a time from 1s to 2min"},
                {"PolicyTimeoutSec=121", "a time from 1s to 2min"},
                {"PolicyTimeoutSec=soon", "a time from 1s to 2min"},
                {"OpenTimeoutSec=5", "a time from 6s to 1min"},
                {"IdleExitSec=2d", "a time from 1s to 1d"},
                {"AuditRequired=maybe", "yes or no"},
                {"AllowForeignUserNamespace=never", "no, read-only or yes"},
                {"AllowForeignUserNamespace=No", "no, read-only or yes"},
                {"IdentityProof=never", "auto or always"},
                {"LogLevel=warning", "info or debug"},
                {"Identities=backup root", "a list of users' names, and root is none"},
                {"Identities=a:b", "a list of users' names"},
                {"Identities=a, b", "a list of users' names"},
                {"Identities=../a", "a list of users' names"},
                {"Identities=-a", "a list of users' names"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *lines = strv_format("%s\n", cases[i].line);
                _cleanup_(settings_freep) Settings *s = parse(lines);

                assert_defaults(s);
                assert_int_equal(strv_length(s->warnings), 1);
                if (!strstr(s->warnings[0], cases[i].range) ||
                    strncmp(s->warnings[0], "/x/doorward.conf:2: ", 20) != 0)
                        fail_msg("%s: %s", cases[i].line, s->warnings[0]);
        }
}

/* A value that cannot be used leaves the one before it. */
static void test_last_good_value(void **state) {
        _cleanup_(settings_freep) Settings *s = parse("LeasesMax=500\nLeasesMax=many\n");

        assert_int_equal(s->leases_max, 500);
        assert_int_equal(strv_length(s->warnings), 1);
}

/* They are added up; and of a line with one that is none nothing counts. */
static void test_users(void **state) {
        _cleanup_(settings_freep) Settings *s =
                parse("Identities=a@example.org  DOMAIN\\b\nIdentities=c\nIdentities=d e:f\n");

        assert_int_equal(strv_length(s->identities), 3);
        assert_string_equal(s->identities[0], "a@example.org");
        assert_string_equal(s->identities[1], "DOMAIN\\b");
        assert_string_equal(s->identities[2], "c");
        assert_int_equal(strv_length(s->warnings), 1);
}

static void test_unknown(void **state) {
        _cleanup_(settings_freep) Settings *s = NULL;

        assert_int_equal(
                settings_parse("/x", "[Broker]\nLeaseMax=5\nZzz=1\n[Brokr]\nLeasesMax=5\n", &s), 0);
        assert_defaults(s);
        assert_int_equal(strv_length(s->warnings), 3);
        assert_string_equal(s->warnings[0],
                            "/x:2: unknown key LeaseMax= is ignored, did you mean LeasesMax=?");
        assert_string_equal(s->warnings[1], "/x:3: unknown key Zzz= is ignored");
        assert_string_equal(s->warnings[2],
                            "/x:5: section [Brokr] is ignored: there is only [Broker]");
}

static void test_contradictions(void **state) {
        _cleanup_(settings_freep) Settings *connections =
                parse("ConnectionsPerUser=20\nConnectionsMax=10\n");
        _cleanup_(settings_freep) Settings *leases = parse("LeasesPerUser=20\nLeasesMax=10\n");

        assert_non_null(strstr(connections->warnings[0], "can keep all others out"));
        assert_non_null(strstr(leases->warnings[0], "can keep all others out"));
}

/* Of a file that cannot be read without doubt nothing counts, and that is said. */
static void test_problem(void **state) {
        _cleanup_(settings_freep) Settings *s = NULL;

        assert_int_equal(
                settings_parse(
                        "/x",
                        "[Broker]\nIdentities=a\nAllowForeignUserNamespace=yes # for a while\n",
                        &s),
                0);
        assert_defaults(s);
        assert_non_null(strstr(s->problem, "/x:3: "));
}

static void test_files(void **state) {
        _cleanup_(settings_freep) Settings *none = NULL, *s = NULL, *untrusted = NULL;
        _cleanup_(strv_freep) char **folders = NULL;
        Tree tree;

        tree_init(&tree);
        assert_int_equal(settings_folders(tree.path, &folders), 0);
        assert_int_equal(settings_load_trusting(folders, tree_owner(), &none), 0);
        assert_defaults(none);
        assert_null(none->problem);

        tree_file(&tree, "run/doorward/doorward.conf", "[Broker]\nLeasesMax=1000\nRequestRate=5\n");
        tree_file(&tree, "run/doorward/doorward.conf.d/a.conf", "[Broker]\nLeasesMax=2000\n");
        assert_int_equal(settings_load_trusting(folders, tree_owner(), &s), 0);
        assert_null(s->problem);
        assert_int_equal(s->leases_max, 2000);
        assert_int_equal(s->request_rate, 5);
        assert_non_null(strstr(s->text, "doorward.conf.d/a.conf\n[Broker]\nLeasesMax=2000\n"));

        tree_mode(&tree, "run/doorward/doorward.conf.d/a.conf", 0666);
        assert_int_equal(settings_load_trusting(folders, tree_owner(), &untrusted), 0);
        assert_non_null(strstr(untrusted->problem, "a.conf can be written by others"));
        assert_defaults(untrusted);
        tree_deinit(&tree);
}

/* The file that is installed shows every setting there is with its default, as a comment: with the
 * hashes taken away it says just that. */
static void test_shipped_file(void **state) {
        _cleanup_free_ char *text = NULL, *uncommented = NULL;
        _cleanup_(settings_freep) Settings *s = NULL;
        Tree source = {};
        unsigned n = 0;
        char *to;

        (void)snprintf(source.path, sizeof(source.path), "%s", SOURCE_DIR "/policy");
        text = tree_read(&source, "doorward.conf");
        uncommented = to = calloc(1, strlen(text) + 1);
        assert_non_null(uncommented);

        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                bool setting = line[0] == '#' && line[1] >= 'A' && line[1] <= 'Z';

                if (*line && *line != '#')
                        assert_string_equal(line, "[Broker]");
                n += setting;
                to += sprintf(to, "%s\n", setting ? line + 1 : line);
        }

        assert_int_equal(n, 31);
        assert_int_equal(settings_parse("/x", uncommented, &s), 0);
        assert_null(s->problem);
        assert_null(s->warnings);
        assert_defaults(s);
}

static void test_to_string(void **state) {
        assert_string_equal(foreign_namespace_to_string(FOREIGN_NAMESPACE_NO), "no");
        assert_string_equal(foreign_namespace_to_string(FOREIGN_NAMESPACE_READ_ONLY), "read-only");
        assert_string_equal(foreign_namespace_to_string(FOREIGN_NAMESPACE_YES), "yes");
        assert_string_equal(foreign_namespace_to_string((ForeignNamespace)0), "invalid");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),        cmocka_unit_test(test_values),
                cmocka_unit_test(test_reset),           cmocka_unit_test(test_refused_values),
                cmocka_unit_test(test_last_good_value), cmocka_unit_test(test_users),
                cmocka_unit_test(test_unknown),         cmocka_unit_test(test_contradictions),
                cmocka_unit_test(test_problem),         cmocka_unit_test(test_files),
                cmocka_unit_test(test_shipped_file),    cmocka_unit_test(test_to_string),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
