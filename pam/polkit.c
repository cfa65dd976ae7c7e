/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-bus.h>

#include "pam/polkit.h"

static int bus_open(const char *address, uint64_t patience_usec, sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, patience_usec);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

int polkit_respond(const char *address, uint64_t patience_usec, uid_t agent, const char *cookie,
                   uid_t identity) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = bus_open(address, patience_usec, &bus);
        if (r < 0)
                return r;

        r = sd_bus_call_method(
                bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.PolicyKit1.Authority", "AuthenticationAgentResponse2", NULL, NULL,
                "us(sa{sv})", (uint32_t)agent, cookie, "unix-user", 1, "uid", "u",
                (uint32_t)identity);
        return r < 0 ? r : 0;
}
