/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/activation.h"

static bool environment_is(const char *name, long expected) {
        const char *text = getenv(name);
        char *end;

        return text && *text && strtol(text, &end, 10) == expected && !*end;
}

bool activation_has_socket(void) {
        return environment_is("LISTEN_PID", getpid()) && environment_is("LISTEN_FDS", 1);
}
