/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>

#include <cmocka.h>

#include "config.h"
#include "helpers/dropin.h"
#include "helpers/generate.h"
#include "policy/definition.h"
#include "policy/strv.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

#define FOLDER SYSCONFDIR "/doorward/endpoints.d"
#define WANTS "out/doorward-openers.target.wants"
#define SOCKET "[Full]\nConnectStream=/run/x.sock\n"

typedef struct House {
        Tree tree;
        char passwd[TREE_PATH_SIZE], group[TREE_PATH_SIZE];
        char **log;
} House;

static int setup(void **state) {
        static House house;

        house = (House){};
        tree_init(&house.tree);
        tree_folder(&house.tree, "out");
        tree_file(&house.tree, "etc/passwd",
                  "root:x:0:0::/root:/bin/sh\n"
                  "toor:x:0:0::/root:/bin/sh\n"
                  "backend:x:990:990::/:/usr/sbin/nologin\n"
                  "doorward-libvirt:x:991:991::/:/usr/sbin/nologin\n");
        tree_file(&house.tree, "etc/group",
                  "root:x:0:\ndocker:x:800:\nkvm:x:801:\ndialout:x:20:\n");
        (void)snprintf(house.passwd, sizeof(house.passwd), "%s/etc/passwd", house.tree.path);
        (void)snprintf(house.group, sizeof(house.group), "%s/etc/group", house.tree.path);
        *state = &house;
        return 0;
}

static int teardown(void **state) {
        House *house = *state;

        strv_free(house->log);
        tree_deinit(&house->tree);
        return 0;
}

/* What stands in the drop-in's [Service] behind the hash; notes are kept in the log. */
static char *service_lines(House *house, const char *name, const char *text) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_free_ char *dropin = NULL;
        const char *lines;

        house->log = strv_free(house->log);
        assert_int_equal(definition_parse(name, "/etc/x.conf", text, &d), 0);
        assert_null(d->problem);
        assert_int_equal(dropin_format(d, house->passwd, house->group, &house->log, &dropin), 0);

        lines = strstr(dropin, "\n[Service]\nEnvironment=DOORWARD_DEFINITION=");
        assert_non_null(lines);
        lines = strstr(lines, d->hash);
        assert_non_null(lines);
        lines += strlen(d->hash);
        assert_int_equal(*lines, '\n');
        return strdup(lines + 1);
}

static void assert_service(House *house, const char *name, const char *text, const char *expected) {
        _cleanup_free_ char *lines = service_lines(house, name, text);

        assert_string_equal(lines, expected);
}

/* A definition that needs nothing changes nothing. */
static void test_nothing_more(void **state) {
        static const char *const texts[] = {
                SOCKET,
                "[ReadOnly]\nConnectSequentialPacket=/run/x.sock\n",
                "[ReadOnly]\nOpenFile=/var/log/x\n",
                "[ReadOnly]\nOpenFile=/proc/version\nType=file\n[Full]\nConnectStream=/x\n",
                "[ReadOnly]\nOpenFile=/sys/x\n",
                "[Full]\nOpenFile=/run/x\nType=fifo\n",
                /* A filter stands elsewhere. */
                "[ReadOnly]\nConnectStream=/run/x\nFilter=docker logs\n",
                /* What only looks like a place that is hidden counts for nothing. */
                "[Full]\nConnectStream=/homes/x\nConnectStream=/tmpx/y\nConnectStream=/rooted/z\n",
                "[ReadOnly]\nOpenFile=/device/x\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_service(*state, "n", texts[i],
                               strstr(texts[i], "/proc/") ? "ProcSubset=all\n" : "");
}

static void test_head(void **state) {
        House *house = *state;
        _cleanup_(definition_freep) Definition *d = NULL, *odd = NULL;
        _cleanup_free_ char *dropin = NULL, *odd_dropin = NULL, *expected = NULL;

        assert_int_equal(definition_parse("n", "/etc/doorward/endpoints.d/n.conf", SOCKET, &d), 0);
        assert_int_equal(dropin_format(d, house->passwd, house->group, &house->log, &dropin), 0);
        expected = strv_format("# Written by doorward-generator, from the definition of n.\n"
                               "\n"
                               "[Unit]\n"
                               "SourcePath=/etc/doorward/endpoints.d/n.conf\n"
                               "\n"
                               "[Service]\n"
                               "Environment=DOORWARD_DEFINITION=%s\n",
                               d->hash);
        assert_string_equal(dropin, expected);

        /* A path that a unit file would read otherwise is not worth a risk. */
        assert_int_equal(definition_parse("n", "/etc/a %n/n.conf", SOCKET, &odd), 0);
        assert_int_equal(dropin_format(odd, house->passwd, house->group, &house->log, &odd_dropin),
                         0);
        assert_null(strstr(odd_dropin, "SourcePath"));
}

static void test_groups(void **state) {
        House *house = *state;

        assert_service(house, "n", SOCKET "[Connect]\nGroups=docker kvm\n",
                       "SupplementaryGroups=docker kvm\n");
        assert_null(house->log);
        assert_service(house, "n", SOCKET "[Connect]\nGroups=absent docker gone\n",
                       "SupplementaryGroups=docker\n");
        assert_int_equal(strv_length(house->log), 2);
        assert_string_equal(house->log[0],
                            "endpoint n: group absent is left out: it does not exist here");
        assert_service(house, "n", SOCKET "[Connect]\nGroups=absent\n", "");
        /* A user of that name is no group. */
        assert_service(house, "n", SOCKET "[Connect]\nGroups=backend\n", "");
}

static void test_user(void **state) {
        House *house = *state;
        static const char powers[] =
                "Groups=docker\nCapabilities=CAP_DAC_OVERRIDE\nDevice=char:misc\n"
                "[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\n";
        _cleanup_free_ char *absent = strv_format(SOCKET "[Connect]\nConnectAs=absent\n%s", powers);
        _cleanup_free_ char *toor = strv_format(SOCKET "[Connect]\nConnectAs=toor\n%s", powers);

        assert_service(house, "n", SOCKET "[Connect]\nConnectAs=backend\nGroups=docker\n",
                       "User=backend\nSupplementaryGroups=docker\n");
        assert_null(house->log);

        /* Powers that were meant for one user are not given to another; and none is root's. */
        assert_service(house, "n", absent, "");
        assert_string_equal(house->log[0],
                            "endpoint n: user absent is left out: it does not exist here");
        assert_service(house, "n", toor, "");
        assert_string_equal(house->log[0],
                            "endpoint n: user toor is left out: Operation not permitted");
}

static void test_client(void **state) {
        House *house = *state;

        assert_service(house, "n", SOCKET "[Connect]\nConnectAs=client\nGroups=docker\n",
                       "SupplementaryGroups=docker\n"
                       "CapabilityBoundingSet=CAP_SETUID\n"
                       "AmbientCapabilities=CAP_SETUID\n"
                       "TasksMax=129\n"
                       "SystemCallFilter=setresuid setresuid32 capset\n");
        assert_null(house->log);
}

static void test_user_files_missing(void **state) {
        House *house = *state;

        tree_remove(&house->tree, "etc/passwd");
        tree_remove(&house->tree, "etc/group");
        assert_service(house, "n", SOCKET "[Connect]\nGroups=docker\n", "");
        assert_int_equal(strv_length(house->log), 1);
        assert_service(house, "n", SOCKET "[Connect]\nConnectAs=backend\n", "");
        assert_int_equal(strv_length(house->log), 1);
}

static void test_capabilities(void **state) {
        static const struct {
                const char *capability, *lines;
        } cases[] = {
                {"CAP_DAC_OVERRIDE", ""},
                {"CAP_NET_ADMIN", ""},
                {"CAP_SYSLOG", "ProtectKernelLogs=no\n"},
                {"CAP_SYS_TIME", "ProtectClock=no\n"},
                {"CAP_WAKE_ALARM", "ProtectClock=no\n"},
                {"CAP_SYS_MODULE", "ProtectKernelModules=no\n"},
                {"CAP_MKNOD", "PrivateDevices=no\n"},
                {"CAP_SYS_RAWIO", "PrivateDevices=no\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text =
                        strv_format(SOCKET "[Connect]\nCapabilities=%s\n", cases[i].capability);
                _cleanup_free_ char *expected =
                        strv_format("CapabilityBoundingSet=%s\nAmbientCapabilities=%s\n%s",
                                    cases[i].capability, cases[i].capability, cases[i].lines);

                assert_service(*state, "n", text, expected);
        }

        assert_service(*state, "n",
                       SOCKET "[Connect]\nCapabilities=CAP_SYSLOG CAP_DAC_READ_SEARCH\n",
                       "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYSLOG\n"
                       "AmbientCapabilities=CAP_DAC_READ_SEARCH CAP_SYSLOG\n"
                       "ProtectKernelLogs=no\n");
}

static void test_devices(void **state) {
        static const struct {
                const char *text, *lines;
        } cases[] = {
                {"[Full]\nOpenFile=/dev/a\nOpenFile=/dev/b c\n",
                 "DeviceAllow=/dev/a rw\nDeviceAllow=\"/dev/b c\" rw\n"},
                {"[ReadOnly]\nOpenFile=/dev/a\nReadOnlyMeans=open-flags\n",
                 "DeviceAllow=/dev/a r\n"},
                {"[ReadOnly]\nOpenFile=/dev/a\nOpenFile=/dev/b\nReadOnlyMeans=open-flags\n"
                 "[Full]\nOpenFile=/dev/a\n",
                 "DeviceAllow=/dev/b r\nDeviceAllow=/dev/a rw\n"},
                {"[ReadOnly]\nOpenFile=/dev/a\nReadOnlyMeans=open-flags\n"
                 "[Full]\nConnectStream=/dev/a\n",
                 "DeviceAllow=/dev/a r\n"},
                {"[Full]\nOpenFile=/dev/100%%\n", "DeviceAllow=/dev/100%% rw\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text =
                        strv_format("[Connect]\nDevice=char:misc\n%s", cases[i].text);
                _cleanup_free_ char *expected =
                        strv_format("%sPrivateDevices=no\nProcSubset=all\n", cases[i].lines);

                assert_service(*state, "n", text, expected);
        }

        /* A node elsewhere is only known by its driver, and systemd's /dev is not in its way. */
        assert_service(*state, "n",
                       "[Connect]\nDevice=block:sd\n[Full]\nOpenFile=/srv/disk\nType=device\n",
                       "DeviceAllow=block-sd rw\nProcSubset=all\n");
        /* A socket there, or a file, needs the folder and no device. */
        assert_service(*state, "n", "[Full]\nConnectStream=/dev/log\n", "PrivateDevices=no\n");
        assert_service(*state, "n", "[Full]\nOpenFile=/dev/shm/x\nType=file\n",
                       "PrivateDevices=no\n");
}

/* Only what makes interfaces has the power to. */
static void test_tap(void **state) {
        assert_service(*state, "n", "[Full]\nTap=vm%d\n[Connect]\nCapabilities=CAP_NET_ADMIN\n",
                       "CapabilityBoundingSet=CAP_NET_ADMIN\nAmbientCapabilities=CAP_NET_ADMIN\n"
                       "DeviceAllow=/dev/net/tun rw\nPrivateDevices=no\nPrivateNetwork=no\n");
        assert_service(*state, "n@", "[Endpoint]\nInstance=*\n[Full]\nTap=vm-%i\n",
                       "DeviceAllow=/dev/net/tun rw\nPrivateDevices=no\nPrivateNetwork=no\n");
}

static void test_template(void **state) {
        assert_service(*state, "t@",
                       "[Endpoint]\nInstance=tty*\n"
                       "[ReadOnly]\nOpenFile=/dev/%i\nReadOnlyMeans=open-flags\n"
                       "[Connect]\nDevice=char:ttyS char:ttyUSB\nGroups=dialout\n",
                       "SupplementaryGroups=dialout\n"
                       "DeviceAllow=char-ttyS r\nDeviceAllow=char-ttyUSB r\n"
                       "PrivateDevices=no\nProcSubset=all\n");
        assert_service(*state, "t@",
                       "[Endpoint]\nInstance=*\n"
                       "[ReadOnly]\nOpenFile=/dev/%i\nReadOnlyMeans=open-flags\n"
                       "[Full]\nOpenFile=/dev/x/%i\n[Connect]\nDevice=char:x\n",
                       "DeviceAllow=char-x rw\nPrivateDevices=no\nProcSubset=all\n");
}

static void test_writable_files(void **state) {
        static const struct {
                const char *path, *lines;
        } cases[] = {
                {"/var/log/x", "ReadWritePaths=-/var/log/x\n"},
                {"/var/log/a b", "ReadWritePaths=\"-/var/log/a b\"\n"},
                {"/var/log/%%n$x", "ReadWritePaths=\"-/var/log/%%n$x\"\n"},
                {"/var/log/a\"b", "ReadWritePaths=\"-/var/log/a\\\"b\"\n"},
                {"/var/log/a\\b", "ReadWritePaths=\"-/var/log/a\\\\b\"\n"},
                {"/home/x/y", "ReadWritePaths=-/home/x/y\nProtectHome=read-only\n"},
                {"/tmp/y", "ReadWritePaths=-/tmp/y\nPrivateTmp=no\n"},
                {"/proc/sys/x", "ProcSubset=all\nProtectKernelTunables=no\n"},
                {"/sys/power/state", "ProtectKernelTunables=no\n"},
                {"/sys/fs/cgroup/x", "ProtectControlGroups=no\nProtectKernelTunables=no\n"},
                {"/usr/lib/modules/x",
                 "ReadWritePaths=-/usr/lib/modules/x\nProtectKernelModules=no\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strv_format("[Full]\nOpenFile=%s\n", cases[i].path);

                assert_service(*state, "n", text, cases[i].lines);
        }

        assert_service(*state, "t@",
                       "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/var/log/app/%i.log\n",
                       "ReadWritePaths=-/var/log/app\n");
        assert_service(*state, "t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/x-%i/log/%i\n",
                       "ReadWritePaths=-/srv\n");
        /* An i behind a percent sign of the path's own is no instance. */
        assert_service(*state, "t@",
                       "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/5%%i/app/%i.log\n",
                       "ReadWritePaths=-/srv/5%%i/app\n");
}

static void test_places(void **state) {
        static const struct {
                const char *path, *lines;
        } cases[] = {
                {"/home/x/sock", "ProtectHome=read-only\n"},
                {"/root/sock", "ProtectHome=read-only\n"},
                {"/run/user/1000/sock", "ProtectHome=read-only\n"},
                {"/tmp/sock", "PrivateTmp=no\n"},
                {"/var/tmp/sock", "PrivateTmp=no\n"},
                {"@sock", "PrivateNetwork=no\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strv_format(
                        "[Full]\nConnectStream=%s\n[Connect]\nPeerUser=root\n", cases[i].path);

                assert_service(*state, "n", text, cases[i].lines);
        }

        assert_service(*state, "n", "[ReadOnly]\nOpenFile=/proc/kmsg\n",
                       "ProcSubset=all\nProtectKernelLogs=no\n");
        assert_service(*state, "n", "[ReadOnly]\nOpenFile=/proc/kallsyms\n",
                       "ProcSubset=all\nProtectKernelTunables=no\n");
        assert_service(*state, "n", "[ReadOnly]\nOpenFile=/dev/kmsg\n[Connect]\nDevice=char:mem\n",
                       "DeviceAllow=/dev/kmsg r\nPrivateDevices=no\nProcSubset=all\n"
                       "ProtectKernelLogs=no\n");
}

static void test_refused(void **state) {
        House *house = *state;
        _cleanup_(definition_freep) Definition *d = NULL;
        char **notes = NULL;
        char *text = NULL;

        assert_int_equal(definition_parse("n", "/x", "[Full]\nConnectStream=x\n", &d), 0);
        assert_int_equal(dropin_format(d, house->passwd, house->group, &notes, &text), -EINVAL);
        assert_null(notes);
        assert_null(text);
}

static void test_quote(void **state) {
        static const struct {
                const char *word, *quoted;
        } good[] = {
                {"/a/b-c_d.e:f@g+h=i", "/a/b-c_d.e:f@g+h=i"},
                {"/a b", "\"/a b\""},
                {"%", "%%"},
                {"%n %%", "\"%%n %%%%\""},
                {"a\"b", "\"a\\\"b\""},
                {"a\\", "\"a\\\\\""},
                {"$HOME", "\"$HOME\""},
                {"'x'", "\"'x'\""},
                {"#x", "\"#x\""},
                {"ä", "\"ä\""},
        };
        static const char *const bad[] = {"", "a\nb", "a\tb", "\x7f", "\x1b", "a\r"};

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *quoted = NULL;

                assert_int_equal(dropin_quote(good[i].word, &quoted), 0);
                assert_string_equal(quoted, good[i].quoted);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *quoted = NULL;

                assert_int_equal(dropin_quote(bad[i], &quoted), -EINVAL);
                assert_null(quoted);
        }
}

static void on_log(int priority, const char *message, void *userdata) {
        House *house = userdata;

        assert_true(priority == LOG_WARNING || priority == LOG_INFO);
        assert_int_equal(strv_push(&house->log, message), 0);
}

static int generate(House *house) {
        char out[TREE_PATH_SIZE];
        int n = fds_count();
        int r;

        house->log = strv_free(house->log);
        r = generate_units(house->tree.path, tree_owner(), tree_path(&house->tree, "out", out),
                           on_log, house);
        assert_int_equal(fds_count(), n);
        return r;
}

static bool exists(const House *house, const char *path) {
        char buf[TREE_PATH_SIZE];
        struct stat st;

        return lstat(tree_path(&house->tree, path, buf), &st) == 0;
}

static void assert_linked(const House *house, const char *path) {
        char buf[TREE_PATH_SIZE], target[TREE_PATH_SIZE] = "";

        assert_true(readlink(tree_path(&house->tree, path, buf), target, sizeof(target) - 1) > 0);
        assert_string_equal(target, SYSTEM_UNIT_DIR "/doorward-opener@.socket");
}

static void test_generate_nothing(void **state) {
        House *house = *state;

        assert_int_equal(generate(house), 0);
        assert_null(house->log);
        assert_false(exists(house, WANTS));
}

static void test_generate(void **state) {
        House *house = *state;
        _cleanup_free_ char *first = NULL, *second = NULL, *template = NULL;

        tree_file(&house->tree, FOLDER "/a-b.conf", SOCKET "[Connect]\nGroups=docker absent\n");
        tree_file(&house->tree, FOLDER "/t@.conf",
                  "[Endpoint]\nInstance=*\n[Full]\nConnectStream=/home/%i\n");
        tree_file(&house->tree, FOLDER "/bad.conf", "[Full]\nConnectStream=x\n");
        tree_file(&house->tree, FOLDER "/Bad.conf", SOCKET);

        assert_int_equal(generate(house), 0);
        assert_linked(house, WANTS "/doorward-opener@a-b.socket");
        assert_linked(house, WANTS "/doorward-opener@t.socket");
        assert_false(exists(house, WANTS "/doorward-opener@bad.socket"));
        assert_false(exists(house, "out/doorward-opener@bad.service.d"));
        assert_int_equal(strv_length(house->log), 3);

        first = tree_read(&house->tree, "out/doorward-opener@a-b.service.d/50-definition.conf");
        template = tree_read(&house->tree, "out/doorward-opener@t.service.d/50-definition.conf");
        assert_non_null(strstr(first, "\nSupplementaryGroups=docker\n"));
        assert_non_null(strstr(template, "\nProtectHome=read-only\n"));

        /* Once more comes to the same, also over what stood there. */
        tree_remove(&house->tree, WANTS "/doorward-opener@t.socket");
        tree_link(&house->tree, WANTS "/doorward-opener@t.socket", "/elsewhere");
        assert_int_equal(generate(house), 0);
        assert_linked(house, WANTS "/doorward-opener@t.socket");
        second = tree_read(&house->tree, "out/doorward-opener@a-b.service.d/50-definition.conf");
        assert_string_equal(first, second);
}

/* The hash is of what the opener will read. */
static void test_generate_hash(void **state) {
        House *house = *state;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_free_ char *text = NULL, *line = NULL;

        tree_file(&house->tree, FOLDER "/a.conf", SOCKET);
        tree_file(&house->tree, "run/doorward/endpoints.d/a.conf.d/x.conf", "[Full]\nMaxSec=1h\n");
        assert_int_equal(generate(house), 0);

        assert_int_equal(definition_folders(house->tree.path, &folders), 0);
        assert_int_equal(definition_load_for_opener(folders, tree_owner(), "a", &d), 0);
        text = tree_read(&house->tree, "out/doorward-opener@a.service.d/50-definition.conf");
        line = strv_format("\nEnvironment=DOORWARD_DEFINITION=%s\n", d->hash);
        assert_non_null(strstr(text, line));
}

/* Of two that would share an opener, one has it. */
static void test_generate_clash(void **state) {
        House *house = *state;
        _cleanup_free_ char *text = NULL;

        tree_file(&house->tree, FOLDER "/a@.conf",
                  "[Endpoint]\nInstance=*\n[Full]\nConnectStream=/home/%i\n");
        tree_file(&house->tree, FOLDER "/a.conf", "[Full]\nConnectStream=/tmp/x\n");
        assert_int_equal(generate(house), 0);
        text = tree_read(&house->tree, "out/doorward-opener@a.service.d/50-definition.conf");
        assert_non_null(strstr(text, "\nPrivateTmp=no\n"));
        assert_null(strstr(text, "ProtectHome"));
        assert_int_equal(strv_length(house->log), 1);
        assert_non_null(strstr(house->log[0], "would share their opener"));
}

static void test_generate_unwritable(void **state) {
        House *house = *state;

        tree_file(&house->tree, FOLDER "/a.conf", SOCKET);
        tree_file(&house->tree, WANTS, "a file where the folder should be");
        assert_int_equal(generate(house), -ENOTDIR);
        tree_remove(&house->tree, WANTS);
        tree_link(&house->tree, WANTS, "../etc");
        assert_true(generate(house) < 0);
        assert_false(exists(house, "etc/doorward-opener@a.socket"));
        assert_int_equal(
                generate_units(house->tree.path, tree_owner(), "/proc/nonexistent", on_log, house),
                -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing_more, setup, teardown),
                cmocka_unit_test_setup_teardown(test_head, setup, teardown),
                cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
                cmocka_unit_test_setup_teardown(test_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_client, setup, teardown),
                cmocka_unit_test_setup_teardown(test_user_files_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
                cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
                cmocka_unit_test_setup_teardown(test_tap, setup, teardown),
                cmocka_unit_test_setup_teardown(test_template, setup, teardown),
                cmocka_unit_test_setup_teardown(test_writable_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_places, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test(test_quote),
                cmocka_unit_test_setup_teardown(test_generate_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate_hash, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate_clash, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate_unwritable, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
