/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/trust.h"
#include "client/log.h"
#include "common/peer.h"
#include "common/textfile.h"

/* Any map of the kernel's fits. */
#define UID_MAP_SIZE 16384U

uid_t trust_find_root(uid_t own) {
        /* To fill all of it with zeros would take longer than all else that is done with it. */
        __attribute__((__uninitialized__)) char map[UID_MAP_SIZE];
        /* An empty one maps nobody, which is another thing than none. */
        bool mapped = textfile_read("/proc/self/uid_map", map, sizeof(map)) == 0;

        return trust_root_uid(mapped ? map : NULL, own);
}

/* The number that stands there next; false if none does. */
static bool map_next(const char **map, unsigned *ret) {
        char *end;

        *ret = (unsigned)strtoul(*map, &end, 10);
        if (end == *map)
                return false;

        *map = end;
        return true;
}

uid_t trust_root_uid(const char *uid_map, uid_t own) {
        unsigned inside, outside, count;

        /* A kernel without user namespaces. */
        if (!uid_map)
                return 0;

        while (map_next(&uid_map, &inside) && map_next(&uid_map, &outside) &&
               map_next(&uid_map, &count)) {
                /* "Outside" is the namespace around this one. That we alone are its 0 is what
                 * bubblewrap makes, inside of another where its user is 0: no root of the machine.
                 */
                if (outside == 0 && count == 1 && inside == own && own != 0)
                        return PEER_UID_OVERFLOW;
                if (outside == 0 && count > 0)
                        return inside;
        }

        return PEER_UID_OVERFLOW;
}

int trust_judge(const TrustEvidence *evidence, bool *ret_secure) {
        uid_t root = evidence->root;

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
