/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/trust.h"
#include "common/peer.h"

/* As what uid the machine's root appears here: the overflow uid if no line of the map has it. */
static uid_t root_uid(const char *uid_map) {
        unsigned inside, outside, count;
        int n;

        /* A kernel without user namespaces. */
        if (!uid_map)
                return 0;

        while (sscanf(uid_map, " %u %u %u%n", &inside, &outside, &count, &n) == 3) {
                if (outside == 0 && count > 0)
                        return inside;
                uid_map += n;
        }

        return PEER_UID_OVERFLOW;
}

int trust_judge(const TrustEvidence *evidence, bool *ret_secure) {
        uid_t root = root_uid(evidence->uid_map);

        if (evidence->listener == root) {
                *ret_secure = root != PEER_UID_OVERFLOW && evidence->owner != PEER_UID_OVERFLOW;
                return 0;
        }

        /* Somebody's own instance, at a path of their own choice. */
        if (!evidence->is_default && evidence->listener == evidence->own) {
                *ret_secure = false;
                return 0;
        }

        return -EPERM;
}
