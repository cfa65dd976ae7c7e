/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "policy/stamps.h"
#include "policy/strv.h"

struct Stamp {
        char *path;
        bool is_link_followed;
        int error; /* of statx(2), or 0 */
        uint32_t major, minor;
        uint64_t inode;
        int64_t sec; /* of the last change */
        uint32_t nsec;
};

/* What is there now. A file system that others write as well, over a network, is asked. */
static void stamp_look(Stamp *stamp) {
        int flags = AT_STATX_FORCE_SYNC | (stamp->is_link_followed ? 0 : AT_SYMLINK_NOFOLLOW);
        struct statx st = {};

        if (statx(AT_FDCWD, stamp->path, flags, STATX_INO | STATX_CTIME, &st) < 0) {
                stamp->error = errno;
                return;
        }

        stamp->major = st.stx_dev_major;
        stamp->minor = st.stx_dev_minor;
        stamp->inode = st.stx_ino;
        stamp->sec = st.stx_ctime.tv_sec;
        stamp->nsec = st.stx_ctime.tv_nsec;
}

static bool stamp_is_current(const Stamp *stamp) {
        Stamp now = {.path = stamp->path, .is_link_followed = stamp->is_link_followed};

        stamp_look(&now);
        return now.error == stamp->error && now.major == stamp->major &&
               now.minor == stamp->minor && now.inode == stamp->inode && now.sec == stamp->sec &&
               now.nsec == stamp->nsec;
}

/* Adds what is at the path, which is eaten: 1 if something is, 0 if nothing is, -ENOMEM. That
 * nothing is there is only of interest where no folder would show it. */
static int stamps_add_consume(Stamps *stamps, char *path, bool is_folder) {
        _cleanup_free_ char *owned = path;
        Stamp stamp = {.path = path, .is_link_followed = is_folder};
        Stamp *grown;

        if (!path)
                return -ENOMEM;

        stamp_look(&stamp);
        if (stamp.error == ENOENT && !is_folder)
                return 0;

        grown = reallocarray(stamps->stamps, stamps->n_stamps + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        TAKE_PTR(owned);
        stamps->stamps = grown;
        stamps->stamps[stamps->n_stamps++] = stamp;
        return stamp.error == 0;
}

static int stamps_add_dropins(Stamps *stamps, const char *path) {
        DIR *dir = opendir(path);
        int r = 0;

        if (!dir)
                return errno == ENOMEM ? -ENOMEM : 0; /* it cannot be read, and that is stamped */

        while (r >= 0) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        r = -errno;
                        break;
                }
                if (entry->d_name[0] != '.')
                        r = stamps_add_consume(stamps, strv_format("%s/%s", path, entry->d_name),
                                               false);
        }

        (void)closedir(dir);
        return r;
}

static int stamps_add_name(Stamps *stamps, const char *folder, const char *name) {
        _cleanup_free_ char *dropins = strv_format("%s/%s.conf.d", folder, name);
        int r;

        if (!dropins)
                return -ENOMEM;

        r = stamps_add_consume(stamps, strv_format("%s/%s.conf", folder, name), false);
        if (r >= 0)
                r = stamps_add_consume(stamps, strdup(dropins), false);
        return r > 0 ? stamps_add_dropins(stamps, dropins) : r;
}

static void stamps_settle(Stamps *stamps) {
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        stamps->settled = true;
        for (size_t i = 0; i < stamps->n_stamps; i++)
                if (stamps->stamps[i].error == 0 &&
                    stamps->stamps[i].sec >= now.tv_sec - STAMPS_SETTLE_SEC)
                        stamps->settled = false;
}

int stamps_take(char *const *folders, const char *const *names, Stamps *ret) {
        _cleanup_(stamps_deinit) Stamps stamps = {};
        int r = 0;

        for (; *folders && r >= 0; folders++) {
                r = stamps_add_consume(&stamps, strdup(*folders), true);
                for (size_t i = 0; r > 0 && names[i]; i++) {
                        r = stamps_add_name(&stamps, *folders, names[i]);
                        r = r < 0 ? r : 1;
                }
        }
        if (r < 0)
                return r;

        stamps_settle(&stamps);
        *ret = stamps;
        stamps = (Stamps){};
        return 0;
}

int stamps_take_file(const char *path, Stamps *ret) {
        Stamps stamps = {};
        /* No folder would show that it comes. */
        int r = stamps_add_consume(&stamps, strdup(path), true);

        if (r < 0)
                return r;

        stamps_settle(&stamps);
        *ret = stamps;
        return 0;
}

void stamps_deinit(Stamps *stamps) {
        for (size_t i = 0; i < stamps->n_stamps; i++)
                free(stamps->stamps[i].path);
        free(stamps->stamps);
        *stamps = (Stamps){};
}

bool stamps_are_current(const Stamps *stamps) {
        if (!stamps->settled)
                return false;

        for (size_t i = 0; i < stamps->n_stamps; i++)
                if (!stamp_is_current(&stamps->stamps[i]))
                        return false;
        return true;
}
