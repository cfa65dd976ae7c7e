/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "common/userfile.h"

/* An entry at its longest: a group's line names all its members. */
#define ENTRY_SIZE 65536U

int userfile_get_user(const char *path, const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_free_ char *buf = malloc(ENTRY_SIZE);
        struct passwd entry, *found;
        int r;

        if (!file)
                return -errno;
        if (!buf)
                return -ENOMEM;

        while ((r = fgetpwent_r(file, &entry, buf, ENTRY_SIZE, &found)) == 0)
                if (streq(found->pw_name, name)) {
                        *ret_uid = found->pw_uid;
                        *ret_gid = found->pw_gid;
                        return 0;
                }

        return -r;
}

int userfile_get_uid(const char *path, const char *name, uid_t *ret) {
        gid_t gid;

        return userfile_get_user(path, name, ret, &gid);
}

int userfile_get_gid(const char *path, const char *name, gid_t *ret) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_free_ char *buf = malloc(ENTRY_SIZE);
        struct group entry, *found;
        int r;

        if (!file)
                return -errno;
        if (!buf)
                return -ENOMEM;

        while ((r = fgetgrent_r(file, &entry, buf, ENTRY_SIZE, &found)) == 0)
                if (streq(found->gr_name, name)) {
                        *ret = found->gr_gid;
                        return 0;
                }

        return -r;
}
