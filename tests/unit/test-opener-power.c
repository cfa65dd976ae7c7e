/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/peer.h"
#include "helpers/opener-power.h"

#define BROKER 900
#define OPENER 901
#define LIBVIRT 902
#define OPENER_GID 801
#define LIBVIRT_GID 802
#define DOCKER_GID 803
#define DIALOUT_GID 20

static char passwd[] = "/tmp/test-opener-power-XXXXXX";
static char group[] = "/tmp/test-opener-power-XXXXXX";

static int write_file(char *path, const char *text) {
        int fd = mkstemp(path);
        ssize_t n = write(fd, text, strlen(text));

        close_fd(fd);
        return n < 0 ? -1 : 0;
}

static int group_setup(void **state) {
        return write_file(passwd, "root:x:0:0:root:/root:/bin/sh\n"
                                  "doorward:x:900:800::/:/usr/sbin/nologin\n"
                                  "doorward-opener:x:901:801::/:/usr/sbin/nologin\n"
                                  "doorward-libvirt:x:902:802::/:/usr/sbin/nologin\n"
                                  "postgres:x:110:110::/var/lib/postgresql:/bin/bash\n"
                                  "toor:x:0:0::/root:/bin/sh\n") ||
               write_file(group, "root:x:0:\n"
                                 "dialout:x:20:alice\n"
                                 "docker:x:803:bob,alice\n"
                                 "libvirt:x:802:\n");
}

static int group_teardown(void **state) {
        (void)unlink(passwd);
        (void)unlink(group);
        return 0;
}

/* What doorward-opener is by itself. */
static OpenerPower base(void) {
        return (OpenerPower){.uids = {OPENER, OPENER, OPENER},
                             .gids = {OPENER_GID, OPENER_GID, OPENER_GID},
                             .n_gids = 3};
}

static void add_gid(OpenerPower *power, gid_t gid) {
        power->gids[power->n_gids++] = gid;
}

static OpenerReply reply;
static uid_t peer;

static int judge(const OpenerPower *power, const Definition *definition) {
        reply = (OpenerReply){};
        peer = 12345;
        return opener_power_judge(power, definition, BROKER, passwd, group, &peer, &reply);
}

static void assert_too_little(const OpenerPower *power, const Definition *definition,
                              const char *detail) {
        assert_int_equal(judge(power, definition), OPENER_GROUP_MISSING);
        assert_int_equal(reply.status, OPENER_GROUP_MISSING);
        assert_non_null(strstr(reply.detail, detail));
        assert_int_equal(peer, 12345);
}

static void assert_too_much(const OpenerPower *power, const Definition *definition,
                            const char *detail) {
        assert_int_equal(judge(power, definition), -EPERM);
        assert_string_equal(reply.detail, detail);
        assert_int_equal(peer, 12345);
}

static void test_plain(void **state) {
        Definition definition = {.connect_as = CONNECT_AS_SERVICE};
        OpenerPower power = base();

        assert_int_equal(judge(&power, &definition), 0);
        assert_int_equal(peer, 0);

        definition.peer_any = true;
        assert_int_equal(judge(&power, &definition), 0);
        assert_int_equal(peer, PEER_UID_INVALID);

        definition.peer_any = false;
        definition.peer_user = (char[]){"postgres"};
        assert_int_equal(judge(&power, &definition), 0);
        assert_int_equal(peer, 110);

        definition.peer_user = (char[]){"nobody-here"};
        assert_too_little(&power, &definition, "user nobody-here does not exist here");
}

static void test_groups(void **state) {
        char *groups[] = {(char[]){"docker"}, (char[]){"dialout"}, NULL};
        Definition definition = {.connect_as = CONNECT_AS_SERVICE, .groups = groups};
        OpenerPower power = base();

        assert_too_little(&power, &definition, "this is not in group docker yet");
        add_gid(&power, DOCKER_GID);
        assert_too_little(&power, &definition, "this is not in group dialout yet");
        add_gid(&power, DIALOUT_GID);
        assert_int_equal(judge(&power, &definition), 0);

        groups[1] = (char[]){"kvm"};
        power.n_gids--;
        assert_too_little(&power, &definition, "group kvm does not exist here");
        add_gid(&power, DIALOUT_GID);
        assert_too_much(&power, &definition, "it is in group 20");

        definition.groups = NULL;
        assert_too_much(&power, &definition, "it is in group 803");
        power = base();
        add_gid(&power, 0);
        assert_too_much(&power, &definition, "it is in group 0");
}

/* Real, effective and saved: all three are powers. */
static void test_gids(void **state) {
        Definition definition = {.connect_as = CONNECT_AS_SERVICE};

        for (size_t i = 0; i < 3; i++) {
                OpenerPower power = base();

                power.gids[i] = DOCKER_GID;
                assert_too_much(&power, &definition, "it is in group 803");
        }
}

static void test_uids(void **state) {
        Definition definition = {.connect_as = CONNECT_AS_SERVICE};
        OpenerPower power;

        for (size_t i = 0; i < 3; i++) {
                power = base();
                power.uids[i] = 0;
                assert_too_much(&power, &definition, "it has more than one uid");
        }

        power = base();
        power.uids[0] = power.uids[1] = power.uids[2] = 0;
        assert_too_much(&power, &definition, "it runs as root");
        power.uids[0] = power.uids[1] = power.uids[2] = BROKER;
        assert_too_much(&power, &definition, "it runs as doorward");
        power.uids[0] = power.uids[1] = power.uids[2] = 110;
        assert_too_much(&power, &definition, "it runs as uid 110, and not as user doorward-opener");
        power.uids[0] = power.uids[1] = power.uids[2] = LIBVIRT;
        assert_too_much(&power, &definition, "it runs as uid 902, and not as user doorward-opener");
}

static void test_connect_as_user(void **state) {
        Definition definition = {.connect_as = CONNECT_AS_USER,
                                 .connect_user = (char[]){"doorward-libvirt"}};
        OpenerPower power = {.uids = {LIBVIRT, LIBVIRT, LIBVIRT},
                             .gids = {LIBVIRT_GID, LIBVIRT_GID, LIBVIRT_GID},
                             .n_gids = 3};

        assert_int_equal(judge(&power, &definition), 0);
        /* The openers' own group is none of this user's. */
        add_gid(&power, OPENER_GID);
        assert_too_much(&power, &definition, "it is in group 801");

        /* Not yet, or not at all, that user: the one that openers are by themselves. */
        power = base();
        assert_too_little(&power, &definition, "this does not run as user doorward-libvirt yet");
        add_gid(&power, LIBVIRT_GID);
        assert_too_much(&power, &definition, "it is in group 802");
        power = base();
        definition.connect_user = (char[]){"doorward-nobody"};
        assert_too_little(&power, &definition, "user doorward-nobody does not exist here");

        /* Users that nobody may make an opener of. */
        power.uids[0] = power.uids[1] = power.uids[2] = 0;
        definition.connect_user = (char[]){"toor"};
        assert_too_much(&power, &definition, "it runs as root");
        power.uids[0] = power.uids[1] = power.uids[2] = BROKER;
        definition.connect_user = (char[]){"doorward"};
        assert_too_much(&power, &definition, "it runs as doorward");
}

static void test_capabilities(void **state) {
        Definition definition = {.connect_as = CONNECT_AS_SERVICE};
        OpenerPower power = base();

        power.capabilities = UINT64_C(1) << CAP_SYSLOG;
        assert_too_much(&power, &definition, "it has capability 34 (syslog)");
        definition.capabilities = UINT64_C(1) << CAP_SYSLOG;
        assert_int_equal(judge(&power, &definition), 0);
        power.capabilities |= UINT64_C(1) << CAP_CHOWN;
        assert_too_much(&power, &definition, "it has capability 0 (chown)");
        power.capabilities = UINT64_C(1) << 63;
        assert_too_much(&power, &definition, "it has capability 63 (unknown)");

        /* A machine that withholds one is a matter of what open(2) says. */
        power.capabilities = 0;
        assert_int_equal(judge(&power, &definition), 0);
}

/* One that becomes others has CAP_SETUID besides, and its own group, which keeps them out of it. */
static void test_connect_as_client(void **state) {
        char *groups[] = {(char[]){"docker"}, NULL};
        Definition definition = {.connect_as = CONNECT_AS_CLIENT, .groups = groups};
        OpenerPower power = base();

        add_gid(&power, DOCKER_GID);
        assert_too_little(&power, &definition, "this cannot become the user who asks yet");
        power.capabilities = UINT64_C(1) << CAP_SETUID;
        assert_int_equal(judge(&power, &definition), 0);

        for (size_t i = 0; i < 3; i++) {
                power.gids[i] = DOCKER_GID;
                assert_too_much(&power, &definition, "its group is 803, and not its user's own");
                power.gids[i] = OPENER_GID;
        }
        power.capabilities |= UINT64_C(1) << CAP_SETGID;
        assert_too_much(&power, &definition, "it has capability 6 (setgid)");

        power.capabilities = UINT64_C(1) << CAP_SETUID;
        definition.connect_as = CONNECT_AS_SERVICE;
        assert_too_much(&power, &definition, "it has capability 7 (setuid)");
}

static void test_files(void **state) {
        char *groups[] = {(char[]){"docker"}, NULL};
        Definition definition = {.connect_as = CONNECT_AS_SERVICE, .groups = groups};
        OpenerPower power = base();
        uid_t ret;

        assert_int_equal(
                opener_power_judge(&power, &definition, BROKER, passwd, "/nowhere", &ret, &reply),
                OPENER_GROUP_MISSING);
        assert_int_equal(
                opener_power_judge(&power, &definition, BROKER, "/nowhere", group, &ret, &reply),
                -EPERM);
}

/* Our own: whatever it is, reading it works, and what is held is seen. */
static void test_read(void **state) {
        OpenerPower power;

        assert_int_equal(opener_power_read(&power), 0);
        assert_int_equal(power.uids[0], getuid());
        assert_int_equal(power.uids[1], geteuid());
        assert_int_equal(power.gids[0], getgid());
        assert_int_equal(power.n_gids, 3 + getgroups(0, NULL));
        if (geteuid() == 0)
                assert_true(power.capabilities & (UINT64_C(1) << CAP_CHOWN));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_gids),
                cmocka_unit_test(test_uids),
                cmocka_unit_test(test_connect_as_user),
                cmocka_unit_test(test_capabilities),
                cmocka_unit_test(test_connect_as_client),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_read),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
