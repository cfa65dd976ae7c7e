/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>

#include "helpers/opener-mounts.h"

#define TABLE "/proc/self/mountinfo"

/* Linux 6.8; the C library of Debian 12 does not name it. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

void opener_mounts_deinit(OpenerMounts *mounts) {
        if (mounts->table)
                (void)fclose(mounts->table);
        *mounts = (OpenerMounts){};
}

/* The number by which it stands in the table; or, if wanted, the one that is not used again: 1, or
 * 0 where the kernel has none. */
static int get_number(int fd, bool unique, uint64_t *ret) {
        struct statx found;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, unique ? STATX_MNT_ID_UNIQUE : 0,
                  &found) < 0)
                return -errno;
        if (!(found.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)))
                return -EOPNOTSUPP;

        *ret = found.stx_mnt_id;
        return (found.stx_mask & STATX_MNT_ID_UNIQUE) != 0;
}

/* Whether anything may be another mount than it was: the kernel says so once. */
static bool has_changed(OpenerMounts *mounts) {
        struct pollfd table = {.fd = fileno(mounts->table), .events = POLLPRI};

        return poll(&table, 1, 0) != 0;
}

/* "fuse", "fuse.sshfs", "fuseblk.ntfs". virtiofs is another: only root can mount it, and who serves
 * it has the whole machine. */
static bool is_fuse(const char *type) {
        size_t n = strcspn(type, ". \n");

        return (n == 4 && strncmp(type, "fuse", n) == 0) ||
               (n == 7 && strncmp(type, "fuseblk", n) == 0);
}

/* Finds it in the table: 0 or 1 for whether it is FUSE. -ENOENT: a mount of somewhere else. */
static int look_up(FILE *table, uint64_t number) {
        _cleanup_free_ char *line = NULL;
        const char *type;
        uint64_t value;
        size_t size = 0;

        rewind(table);
        while (getline(&line, &size, table) >= 0) {
                if (sscanf(line, "%" SCNu64 " ", &value) != 1 || value != number)
                        continue;
                /* Spaces in what users can choose, which comes before, are written as \040. */
                type = strstr(line, " - ");
                return type ? is_fuse(type + 3) : -EBADMSG;
        }

        return ferror(table) ? -EIO : -ENOENT;
}

static bool is_trusted(const OpenerMounts *mounts, uint64_t number) {
        for (size_t i = 0; i < mounts->n_trusted; i++)
                if (mounts->trusted[i] == number)
                        return true;

        return false;
}

static void trust(OpenerMounts *mounts, uint64_t number) {
        if (mounts->n_trusted == OPENER_MOUNTS_MAX)
                mounts->n_trusted = 0;
        mounts->trusted[mounts->n_trusted++] = number;
}

/* Looks it up in the table, unless it was found to be good before by this number. */
static int check(OpenerMounts *mounts, int fd) {
        uint64_t number = 0, listed;
        int r, unique;

        /* As long as fd is open its mount keeps its numbers. */
        unique = get_number(fd, !mounts->no_unique, &number);
        if (unique < 0)
                return unique;
        if (unique && is_trusted(mounts, number))
                return 0;

        if (!mounts->table)
                mounts->table = fopen(TABLE, "re");
        if (!mounts->table)
                return -errno;
        /* After the number was taken. */
        if (!unique && has_changed(mounts))
                mounts->n_trusted = 0;
        if (!unique && is_trusted(mounts, number))
                return 0;

        /* To go back alone would be to read what is left in its buffer again, as it was then. */
        if (fflush(mounts->table) != 0)
                return -errno;
        listed = number;
        r = unique ? get_number(fd, false, &listed) : 0;
        if (r >= 0)
                r = look_up(mounts->table, listed);
        if (r == 0)
                trust(mounts, number);
        return r;
}

int opener_mounts_check(OpenerMounts *mounts, int fd, const char **ret_reason) {
        int r = check(mounts, fd);

        if (r != 0)
                *ret_reason = r > 0 ? "is on a FUSE file system, which says of itself whose it is"
                                    : "is on a file system of which the kind cannot be found out";
        return r;
}
