/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/complain.h"
#include "common/userfile.h"
#include "config.h"

int complain_find_broker(uid_t *ret) {
        int r = userfile_get_uid(USERFILE_PASSWD, BROKER_USER, ret);

        if (r < 0)
                complain("There is no user " BROKER_USER " in " USERFILE_PASSWD
                         ", so nobody may ask. Run: systemd-sysusers");
        return r;
}
