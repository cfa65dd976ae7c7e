/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/observed.h"
#include "policy/instant.h"
#include "policy/strv.h"

int observed_read(const json_t *object, Observed *ret) {
        Observed observed = {};
        const WireField fields[] = {
                {"group", WIRE_STRING, false, &observed.group},
                {"until", WIRE_INT, false, &observed.until},
                {"active", WIRE_BOOL, false, &observed.active},
                {"admitted", WIRE_BOOL, false, &observed.admitted},
                {},
        };
        int r;

        r = object ? wire_read(object, fields) : 0;
        if (r < 0)
                return r;
        if (observed.until < 0)
                return -EBADMSG;

        *ret = observed;
        return 0;
}

char *observed_describe(const Observed *observed) {
        char until[INSTANT_TEXT_SIZE];

        return strv_format("%s %s, for the group %s",
                           observed->active ? "observed until"
                                            : "not observed, as it was to be "
                                              "until",
                           instant_to_string((uint64_t)observed->until, until), observed->group);
}
