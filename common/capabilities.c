/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>

#include "common/capabilities.h"

static uint64_t read_set(capng_type_t set) {
        uint64_t mask = 0;

        for (unsigned cap = 0; cap < 64; cap++)
                if (capng_have_capability(set, cap) == 1)
                        mask |= UINT64_C(1) << cap;

        return mask;
}

int capabilities_read(Capabilities *ret) {
        if (capng_get_caps_process() < 0)
                return -EIO;

        ret->effective = read_set(CAPNG_EFFECTIVE);
        ret->held = ret->effective | read_set(CAPNG_PERMITTED) | read_set(CAPNG_INHERITABLE) |
                    read_set(CAPNG_AMBIENT);
        ret->bounding = read_set(CAPNG_BOUNDING_SET);
        return 0;
}
