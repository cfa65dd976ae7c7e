/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "cli/system-bus.h"

static uint64_t monotonic_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t usec_left(const SystemBus *bus) {
        uint64_t now = monotonic_usec();

        return now < bus->deadline ? bus->deadline - now : 0;
}

int system_bus_open(SystemBus *bus, const char *address, uint64_t patience_usec) {
        int r;

        *bus = (SystemBus){.deadline = monotonic_usec() + patience_usec};
        r = sd_bus_new(&bus->bus);
        if (r >= 0)
                r = sd_bus_set_address(bus->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->bus, true);
        if (r >= 0)
                r = sd_bus_start(bus->bus);
        return r < 0 ? r : 0;
}

void system_bus_deinit(SystemBus *bus) {
        bus->bus = sd_bus_close_unref(bus->bus);
}

int system_bus_turn(SystemBus *bus) {
        uint64_t left;
        int r;

        r = sd_bus_process(bus->bus, NULL);
        if (r != 0)
                return r;

        left = usec_left(bus);
        if (left == 0)
                return -ETIMEDOUT;
        r = sd_bus_wait(bus->bus, left);
        return r == -EINTR ? 0 : r;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(message);
        return 1;
}

/* Not sd_bus_call(): that waits for a bus that accepts and says nothing longer than it is told to
 * wait for the answer. */
int system_bus_call(SystemBus *bus, sd_bus_message *call, char **ret_problem,
                    sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = sd_bus_call_async(bus->bus, &slot, call, on_reply, &reply, usec_left(bus) ?: 1);
        while (r >= 0 && !reply)
                r = system_bus_turn(bus);
        if (r < 0)
                return r;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                (void)copy_string(sd_bus_message_get_error(reply)->message, ret_problem);
                r = -sd_bus_message_get_errno(reply);
                /* By the name of its error; but there was time. */
                return r == -ETIMEDOUT && usec_left(bus) > 0 ? -ECONNRESET : r;
        }

        *ret = TAKE_PTR(reply);
        return 0;
}

void system_bus_pause(const SystemBus *bus, uint64_t usec) {
        uint64_t left = usec_left(bus);
        struct timespec ts;

        if (usec > left)
                usec = left;
        ts = (struct timespec){(time_t)(usec / 1000000), (long)(usec % 1000000) * 1000};
        (void)nanosleep(&ts, NULL);
}
