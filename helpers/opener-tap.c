/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "helpers/opener-refusal.h"
#include "helpers/opener-tap.h"

/* Of the address that a port of a bridge gets: a bridge goes by the lowest address of its ports,
 * and its own is not to change with each that comes. */
#define HIGH_FIRST_BYTE 0xfe

int opener_tap_name(const char *pattern, const char *instance, char ret[IFNAMSIZ]) {
        const char *specifier = definition_find_instance(pattern);
        char name[IFNAMSIZ];
        int n;

        if (specifier)
                n = snprintf(name, sizeof(name), "%.*s%s%s", (int)(specifier - pattern), pattern,
                             instance, specifier + 2);
        else
                n = snprintf(name, sizeof(name), "%s", pattern);
        if (n < 0 || (size_t)n >= sizeof(name))
                return -ENAMETOOLONG;
        if (name[0] == '-' || streq(name, ".") || streq(name, ".."))
                return -EINVAL;

        memcpy(ret, name, sizeof(name));
        return 0;
}

static bool makes_interfaces(const Definition *definition) {
        return definition->capabilities & (UINT64_C(1) << CAP_NET_ADMIN);
}

static int fail_to_make(const char *name, int error, OpenerReply *reply) {
        if (error == EBUSY)
                return opener_refuse(reply, OPENER_OPEN, error,
                                     "there is an interface %s already, and a new one is wanted",
                                     name);
        return opener_refuse(reply, OPENER_OPEN, error, "an interface %s cannot be made: %s", name,
                             strerror(error));
}

static int fail_to_attach(const char *name, int error, OpenerReply *reply) {
        if (error == EBUSY)
                return opener_refuse(reply, OPENER_OPEN, error, "the interface %s is in use", name);
        if (error == EPERM)
                return opener_refuse(reply, OPENER_OPEN, error,
                                     "there is no interface %s, or it is another user's: see ip "
                                     "tuntap add, with the opener's user",
                                     name);
        return opener_refuse(reply, OPENER_OPEN, error, "the interface %s cannot be used: %s", name,
                             strerror(error));
}

/* Bridges. */

/* One question about an interface, or one change of it. */
static int interface_request(int fd, unsigned long request, const char *name, struct ifreq *ifr) {
        (void)copy_text(ifr->ifr_name, sizeof(ifr->ifr_name), name);
        return ioctl(fd, request, ifr) < 0 ? -errno : 0;
}

static int interface_raise_address(int fd, const char *name) {
        struct ifreq ifr = {};
        int r = interface_request(fd, SIOCGIFHWADDR, name, &ifr);

        if (r < 0)
                return r;
        ifr.ifr_hwaddr.sa_data[0] = (char)HIGH_FIRST_BYTE;
        return interface_request(fd, SIOCSIFHWADDR, name, &ifr);
}

/* Frames can be as long as in the bridge, which otherwise would shorten its own. */
static int interface_take_mtu(int fd, const char *name, const char *bridge) {
        struct ifreq ifr = {};
        int r = interface_request(fd, SIOCGIFMTU, bridge, &ifr);

        return r < 0 ? r : interface_request(fd, SIOCSIFMTU, name, &ifr);
}

static int interface_join(int fd, const char *name, const char *bridge) {
        struct ifreq ifr = {};
        int r = interface_request(fd, SIOCGIFINDEX, name, &ifr);

        return r < 0 ? r : interface_request(fd, SIOCBRADDIF, bridge, &ifr);
}

static int interface_raise(int fd, const char *name) {
        struct ifreq ifr = {};
        int r = interface_request(fd, SIOCGIFFLAGS, name, &ifr);

        if (r < 0)
                return r;
        ifr.ifr_flags |= IFF_UP;
        return interface_request(fd, SIOCSIFFLAGS, name, &ifr);
}

/* Any socket does to speak of interfaces: the sandbox has no others than these. */
static int interface_add(const char *name, const char *bridge) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;

        r = interface_raise_address(fd, name);
        if (r == 0)
                r = interface_take_mtu(fd, name, bridge);
        if (r == 0)
                r = interface_join(fd, name, bridge);
        return r < 0 ? r : interface_raise(fd, name);
}

static int tap_add(const char *name, const char *bridge, OpenerReply *reply) {
        int r = interface_add(name, bridge);

        if (r == -ENODEV)
                return opener_refuse(reply, OPENER_OPEN, -r, "there is no bridge %s", bridge);
        if (r == -EOPNOTSUPP)
                return opener_refuse(reply, OPENER_OPEN, -r, "%s is no bridge", bridge);
        if (r < 0)
                return opener_refuse(reply, OPENER_OPEN, -r,
                                     "%s cannot be put into the bridge %s: %s", name, bridge,
                                     strerror(-r));
        return 0;
}

int opener_tap_attach(int fd, const Definition *definition, const Target *target,
                      const char *instance, OpenerReply *reply) {
        bool makes = makes_interfaces(definition);
        unsigned flags = IFF_TAP | IFF_NO_PI;
        struct ifreq ifr = {};
        int r;

        r = opener_tap_name(target->tap, instance, ifr.ifr_name);
        if (r < 0)
                return opener_refuse(reply, OPENER_INSTANCE, -r,
                                     r == -EINVAL ? "no interface is called %s"
                                                  : "%s is too long for the name of an interface "
                                                    "with it in it",
                                     instance);

        if (target->vnet_header)
                flags |= IFF_VNET_HDR;
        if (makes)
                flags |= IFF_TUN_EXCL;
        ifr.ifr_flags = (short)flags;
        if (ioctl(fd, TUNSETIFF, &ifr) < 0)
                return makes ? fail_to_make(ifr.ifr_name, errno, reply)
                             : fail_to_attach(ifr.ifr_name, errno, reply);

        r = target->bridge ? tap_add(ifr.ifr_name, target->bridge, reply) : 0;
        if (r == 0)
                (void)copy_text(reply->detail, sizeof(reply->detail), ifr.ifr_name);
        return r;
}
