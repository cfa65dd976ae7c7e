/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>
#include <sys/prctl.h>

#include "common/capabilities.h"
#include "common/peer.h"
#include "helpers/opener-identity.h"

/* Whether it is that user and nothing else, and cannot be anything else any more. */
static int identity_check(uid_t uid) {
        Capabilities capabilities;
        uid_t uids[3];
        int r;

        if (getresuid(&uids[0], &uids[1], &uids[2]) < 0)
                return -errno;
        if (uids[0] != uid || uids[1] != uid || uids[2] != uid)
                return -EPERM;

        r = capabilities_read(&capabilities);
        if (r < 0)
                return r;

        if (capabilities.held != 0 || setresuid(0, 0, 0) == 0 ||
            prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
                return -EPERM;
        return 0;
}

int opener_identity_take(uid_t uid) {
        if (uid == 0 || uid > PEER_UID_MAX)
                return -EPERM;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;

        capng_clear(CAPNG_SELECT_ALL);
        if (capng_change_id((int)uid, -1, CAPNG_NO_FLAG) < 0)
                return -EPERM;
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;

        return identity_check(uid);
}
