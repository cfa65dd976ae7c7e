/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/observation.h"
#include "common/userfile.h"
#include "policy/instant.h"
#include "policy/strv.h"

/* What the kernel shows of a group that has no number here: many have it who share nothing. */
#define GID_OVERFLOW 65534

_Static_assert(OBSERVATION_DAYS_MAX *UINT64_C(24) * 3600 * 1000000 == OBSERVATION_USEC_MAX,
               "one is the other");

ObservationState observation_state(const Definition *definition, uint64_t now) {
        if (!definition->observes || definition->problem)
                return OBSERVATION_NONE;
        if (now >= definition->observe_until)
                return OBSERVATION_OVER;
        if (definition->observe_until - now > OBSERVATION_USEC_MAX)
                return OBSERVATION_TOO_FAR;
        return OBSERVATION_ACTIVE;
}

int observation_find(const Definition *definition, const char *group_file, uint64_t now,
                     gid_t *ret_gid, ObservationState *ret) {
        ObservationState state = observation_state(definition, now);
        gid_t gid;
        int r;

        /* What is over is so whether there is still such a group or not. */
        if (state == OBSERVATION_NONE || state == OBSERVATION_OVER) {
                *ret = state;
                return 0;
        }

        r = userfile_get_gid(group_file, definition->observe_group, &gid);
        if (r < 0 && r != -ENOENT)
                return r;

        if (r == -ENOENT)
                *ret = OBSERVATION_NO_GROUP;
        else if (gid == 0 || gid == GID_OVERFLOW || gid == (gid_t)-1)
                *ret = OBSERVATION_BAD_GROUP;
        else {
                *ret_gid = gid;
                *ret = state;
        }
        return 0;
}

char *observation_describe(const Definition *definition, ObservationState state) {
        const char *at = definition->template ? "@" : "", *name = definition->name;
        const char *group = definition->observe_group;
        char until[INSTANT_TEXT_SIZE];

        (void)instant_to_string(definition->observe_until, until);
        switch (state) {
        case OBSERVATION_ACTIVE:
                return strv_format("%s%s is observed until %s: whoever has the group %s is granted "
                                   "it, whatever polkit says",
                                   name, at, until, group);
        case OBSERVATION_OVER:
                return strv_format("%s%s is no longer observed: ObserveUntil=%s has passed, and "
                                   "polkit alone decides",
                                   name, at, until);
        case OBSERVATION_TOO_FAR:
                return strv_format("%s%s is not observed, and polkit alone decides: "
                                   "ObserveUntil=%s is more than %u days away",
                                   name, at, until, OBSERVATION_DAYS_MAX);
        case OBSERVATION_NO_GROUP:
                return strv_format("%s%s is not observed, and polkit alone decides: the group %s "
                                   "of ObserveGroup= does not exist here (/etc/group)",
                                   name, at, group);
        case OBSERVATION_BAD_GROUP:
                return strv_format("%s%s is not observed, and polkit alone decides: the number of "
                                   "ObserveGroup=%s is root's, or that of groups which have none "
                                   "here",
                                   name, at, group);
        case OBSERVATION_NONE:
        default:
                return strv_format("%s%s is not observed", name, at);
        }
}
