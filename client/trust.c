/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/log.h"
#include "client/trust.h"
#include "common/peer.h"
#include "common/textfile.h"

/* An empty one maps nobody, which is another thing than none. */
bool trust_read_uid_map(char buf[TRUST_UID_MAP_SIZE]) {
        return textfile_read("/proc/self/uid_map", buf, TRUST_UID_MAP_SIZE) == 0;
}

uid_t trust_root_uid(const char *uid_map, uid_t own) {
        unsigned inside, outside, count;
        int n;

        /* A kernel without user namespaces. */
        if (!uid_map)
                return 0;

        while (sscanf(uid_map, " %u %u %u%n", &inside, &outside, &count, &n) == 3) {
                /* "Outside" is the namespace around this one. That we alone are its 0 is what
                 * bubblewrap makes, inside of another where its user is 0: no root of the machine.
                 */
                if (outside == 0 && count == 1 && inside == own && own != 0)
                        return PEER_UID_OVERFLOW;
                if (outside == 0 && count > 0)
                        return inside;
                uid_map += n;
        }

        return PEER_UID_OVERFLOW;
}

int trust_judge(const TrustEvidence *evidence, bool *ret_secure) {
        uid_t root = trust_root_uid(evidence->uid_map, evidence->own);

        log_debug(
                LOG_CATEGORY_TRUST,
                "The socket is uid %d's, and its listener's uid is %d; here root's is %d and ours "
                "%d",
                (int)evidence->owner, (int)evidence->listener, (int)root, (int)evidence->own);

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
