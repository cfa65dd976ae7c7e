/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "helpers/opener-tap.h"

/* A network of our own, in which nothing that is made here is seen by anybody. */
static bool has_network;

static int open_tun(void) {
        return open("/dev/net/tun", O_RDWR | O_CLOEXEC);
}

static int enter_network(void **state) {
        int fd;

        has_network = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
        fd = has_network ? open_tun() : -EBADF;
        has_network = fd >= 0;
        close_fd(fd);
        return 0;
}

static void need_network(void) {
        if (!has_network)
                skip();
}

static Definition *define(const char *name, const char *lines) {
        _cleanup_free_ char *text = NULL;
        Definition *d = NULL;

        assert_true(asprintf(&text, "%s[Full]\n%s",
                             name[1] == '@' ? "[Endpoint]\nInstance=*\n" : "", lines) > 0);
        assert_int_equal(definition_parse(name, "/x/n.conf", text, &d), 0);
        assert_null(d->problem);
        return d;
}

#define MAKES "\n[Connect]\nCapabilities=CAP_NET_ADMIN\n"

static int attach(int fd, const char *lines, OpenerReply *reply) {
        _cleanup_(definition_freep) Definition *d = define("n", lines);

        *reply = (OpenerReply){};
        return opener_tap_attach(fd, d, &d->targets[ACCESS_FULL], "", reply);
}

static int interface_ask(unsigned long request, const char *name, struct ifreq *ret) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        *ret = (struct ifreq){};
        (void)snprintf(ret->ifr_name, sizeof(ret->ifr_name), "%s", name);
        return ioctl(fd, request, ret) < 0 ? -errno : 0;
}

static bool interface_exists(const char *name) {
        struct ifreq ifr;

        return interface_ask(SIOCGIFINDEX, name, &ifr) == 0;
}

static short interface_flags(const char *name) {
        struct ifreq ifr;

        assert_int_equal(interface_ask(SIOCGIFFLAGS, name, &ifr), 0);
        return ifr.ifr_flags;
}

static void test_name(void **state) {
        char name[IFNAMSIZ];

        assert_int_equal(opener_tap_name("vm0", "", name), 0);
        assert_string_equal(name, "vm0");
        assert_int_equal(opener_tap_name("doorward%d", "", name), 0);
        assert_string_equal(name, "doorward%d");
        assert_int_equal(opener_tap_name("a-%i-%d", "xyz", name), 0);
        assert_string_equal(name, "a-xyz-%d");
        assert_int_equal(opener_tap_name("a%d-%i", "xyz", name), 0);
        assert_string_equal(name, "a%d-xyz");
        assert_int_equal(opener_tap_name("a%i", "12345678901234", name), 0);
        assert_string_equal(name, "a12345678901234");
        assert_int_equal(opener_tap_name("a%i", "123456789012345", name), -ENAMETOOLONG);
        assert_int_equal(opener_tap_name("%i", "-x", name), -EINVAL);
        assert_int_equal(opener_tap_name("%i", "..", name), -EINVAL);
        assert_int_equal(opener_tap_name("a%i", "-x", name), 0);
}

/* A new one each time, named by the kernel; it goes with its descriptor. */
static void test_new(void **state) {
        _cleanup_close_ int a = open_tun(), b = open_tun();
        struct ifreq ifr = {};
        OpenerReply reply;

        need_network();
        assert_int_equal(attach(a, "Tap=vm%d" MAKES, &reply), 0);
        assert_string_equal(reply.detail, "vm0");
        assert_int_equal(attach(b, "Tap=vm%d\nVNetHeader=no" MAKES, &reply), 0);
        assert_string_equal(reply.detail, "vm1");

        assert_int_equal(ioctl(a, TUNGETIFF, &ifr), 0);
        assert_int_equal(ifr.ifr_flags & (IFF_TAP | IFF_TUN | IFF_NO_PI | IFF_VNET_HDR),
                         IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
        assert_int_equal(ioctl(b, TUNGETIFF, &ifr), 0);
        assert_false(ifr.ifr_flags & IFF_VNET_HDR);
        assert_false(interface_flags("vm0") & IFF_UP);

        a = close_fd(a);
        assert_false(interface_exists("vm0"));
        assert_true(interface_exists("vm1"));
}

/* Who could take any interface takes none that is there. */
static void test_taken(void **state) {
        _cleanup_close_ int a = open_tun(), b = open_tun();
        OpenerReply reply;

        need_network();
        assert_int_equal(attach(a, "Tap=vm0" MAKES, &reply), 0);
        assert_int_equal(ioctl(a, TUNSETPERSIST, 1), 0);
        a = close_fd(a);
        assert_true(interface_exists("vm0"));

        assert_int_equal(attach(b, "Tap=vm0" MAKES, &reply), OPENER_OPEN);
        assert_int_equal(reply.error, EBUSY);
        assert_string_equal(reply.detail,
                            "there is an interface vm0 already, and a new one is wanted");
        assert_int_equal(attach(b, "Tap=lo" MAKES, &reply), OPENER_OPEN);
        assert_true(interface_exists("lo"));

        /* One that was made beforehand is there for who has no power. */
        assert_int_equal(attach(b, "Tap=vm0", &reply), 0);
        assert_string_equal(reply.detail, "vm0");
        a = open_tun();
        assert_int_equal(attach(a, "Tap=vm0", &reply), OPENER_OPEN);
        assert_string_equal(reply.detail, "the interface vm0 is in use");
        assert_int_equal(attach(a, "Tap=lo", &reply), OPENER_OPEN);
        assert_int_equal(reply.error, EINVAL);

        assert_int_equal(ioctl(b, TUNSETPERSIST, 0), 0);
}

static void test_instance(void **state) {
        _cleanup_(definition_freep) Definition *d = define("n@", "Tap=vm-%i" MAKES),
                                               *hyphen = define("n@", "Tap=%i" MAKES);
        _cleanup_close_ int fd = open_tun();
        OpenerReply reply = {};

        need_network();
        assert_int_equal(
                opener_tap_attach(fd, d, &d->targets[ACCESS_FULL], "1234567890123", &reply),
                OPENER_INSTANCE);
        assert_int_equal(reply.error, ENAMETOOLONG);
        assert_int_equal(opener_tap_attach(fd, hyphen, &hyphen->targets[ACCESS_FULL], "-x", &reply),
                         OPENER_INSTANCE);
        assert_string_equal(reply.detail, "no interface is called -x");
        assert_int_equal(opener_tap_attach(fd, d, &d->targets[ACCESS_FULL], "work", &reply), 0);
        assert_string_equal(reply.detail, "vm-work");
}

/* The number of a new one stands before the instance or behind it. */
static void test_number_and_instance(void **state) {
        static const char *const names[] = {"vm0-1", "vm1-1", "vm-1-0", "vm-1-1"};
        int fds[ELEMENTSOF(names)];

        need_network();
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(definition_freep) Definition *d =
                        define("n@", i < 2 ? "Tap=vm%d-%i" MAKES : "Tap=vm-%i-%d" MAKES);
                OpenerReply reply = {};

                fds[i] = open_tun();
                assert_int_equal(
                        opener_tap_attach(fds[i], d, &d->targets[ACCESS_FULL], "1", &reply), 0);
                assert_string_equal(reply.detail, names[i]);
        }

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                close_fd(fds[i]);
}

static bool make_bridge(const char *name) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq ifr = {.ifr_mtu = 1400};

        if (ioctl(fd, SIOCBRADDBR, name) < 0)
                return false;
        (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
        assert_int_equal(ioctl(fd, SIOCSIFMTU, &ifr), 0);
        return true;
}

static void test_bridge(void **state) {
        _cleanup_close_ int fd = open_tun(), any = -EBADF;
        struct ifreq ifr;
        OpenerReply reply;

        need_network();
        if (!make_bridge("bridge"))
                skip();

        assert_int_equal(attach(fd, "Tap=vm%d\nBridge=bridge" MAKES, &reply), 0);
        assert_string_equal(reply.detail, "vm0");
        assert_true(interface_flags("vm0") & IFF_UP);
        assert_int_equal(interface_ask(SIOCGIFMTU, "vm0", &ifr), 0);
        assert_int_equal(ifr.ifr_mtu, 1400);
        assert_int_equal(interface_ask(SIOCGIFHWADDR, "vm0", &ifr), 0);
        assert_int_equal((unsigned char)ifr.ifr_hwaddr.sa_data[0], 0xfe);

        /* It is a port of it, and so cannot become one. */
        assert_int_equal(interface_ask(SIOCGIFINDEX, "vm0", &ifr), 0);
        (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "bridge");
        any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ioctl(any, SIOCBRADDIF, &ifr), -1);
        assert_int_equal(errno, EBUSY);

        fd = close_fd(fd);
        assert_int_equal(ioctl(any, SIOCBRDELBR, "bridge"), 0);
}

/* Then there is no interface either, once the descriptor is closed. */
static void test_bridge_refused(void **state) {
        static const struct {
                const char *lines, *detail;
                int error;
        } cases[] = {
                {"Tap=vm%d\nBridge=none" MAKES, "there is no bridge none", ENODEV},
                {"Tap=vm%d\nBridge=vm0" MAKES, "vm0 is no bridge", EOPNOTSUPP},
        };

        need_network();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fd = open_tun();
                OpenerReply reply;

                assert_int_equal(attach(fd, cases[i].lines, &reply), OPENER_OPEN);
                assert_int_equal(reply.error, cases[i].error);
                assert_string_equal(reply.detail, cases[i].detail);
                assert_true(interface_exists("vm0"));
                close_fd(fd);
                assert_false(interface_exists("vm0"));
        }
}

/* What is no tap is nothing that TUNSETIFF works on. */
static void test_other_device(void **state) {
        _cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        OpenerReply reply;

        assert_int_equal(attach(fd, "Tap=vm%d" MAKES, &reply), OPENER_OPEN);
        assert_int_equal(reply.error, ENOTTY);
        assert_string_equal(reply.detail, "an interface vm%d cannot be made: "
                                          "Inappropriate ioctl for device");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_name),
                cmocka_unit_test(test_new),
                cmocka_unit_test(test_taken),
                cmocka_unit_test(test_instance),
                cmocka_unit_test(test_number_and_instance),
                cmocka_unit_test(test_bridge),
                cmocka_unit_test(test_bridge_refused),
                cmocka_unit_test(test_other_device),
        };

        return cmocka_run_group_tests(tests, enter_network, NULL);
}
