/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/peer.h"
#include "helpers/opener-path.h"
#include "helpers/opener-refusal.h"

typedef struct Walk {
        const OpenerPathRules *rules;
        OpenerReply *reply;
        int dir;              /* where we stand */
        bool exposed;         /* on the way here somebody besides root had his hands in */
        unsigned links;       /* followed so far */
        char where[PATH_MAX]; /* what was walked, for messages: "" is the root */
        char rest[PATH_MAX];  /* what is still to be walked, from next on */
        char *next;
} Walk;

/* The root is not ours to close. */
static void walk_deinit(Walk *walk) {
        if (walk->dir != walk->rules->root_fd)
                close_fd(walk->dir);
        walk->dir = -EBADF;
}

/* Of a path that would leave no room for the reason, its end is shown. */
#define SHOWN_MAX 80U

/* Refuses for something about the component name, or about the folder itself if name is NULL. */
static int walk_refuse(Walk *walk, int error, const char *name, const char *reason) {
        size_t n = strlen(walk->where), skipped = n > SHOWN_MAX ? n - SHOWN_MAX : 0;

        return opener_refuse(walk->reply, OPENER_PATH, error, "%s%s%s%.40s %s",
                             skipped ? "..." : "", walk->where + skipped,
                             name || !walk->where[0] ? "/" : "", name ?: "", reason);
}

static int walk_fail(Walk *walk, int error, const char *name) {
        return error == ENOENT ? walk_refuse(walk, error, name, "does not exist")
                               : opener_refuse(walk->reply, OPENER_PATH, error, "%s/%s: %s",
                                               walk->where, name, strerror(error));
}

/* Whether the folder that we have come to may be passed. */
static int walk_judge_folder(Walk *walk, const struct stat *st) {
        const OpenerPathRules *rules = walk->rules;
        bool others_write = st->st_mode & (S_IWGRP | S_IWOTH);

        if (st->st_uid != rules->root && st->st_uid != rules->peer)
                return walk_refuse(walk, 0, NULL,
                                   "is a folder that belongs neither to root nor to PeerUser=");
        if (others_write && !rules->connects)
                return walk_refuse(walk, 0, NULL, "is a folder that others can write");
        if (others_write && rules->peer == PEER_UID_INVALID)
                return walk_refuse(walk, 0, NULL,
                                   "is a folder that others can write: PeerUser= must name who "
                                   "makes the socket");

        if (st->st_uid != rules->root || others_write)
                walk->exposed = true;
        return 0;
}

/* Goes into the folder. Nothing can be looked up in what is none. */
static int walk_enter_consume(Walk *walk, int fd, const char *name, const struct stat *st) {
        size_t n = strlen(walk->where);

        walk_deinit(walk);
        walk->dir = fd;

        if (snprintf(walk->where + n, sizeof(walk->where) - n, "/%s", name) >=
            (int)(sizeof(walk->where) - n)) {
                walk->where[n] = 0;
                return walk_fail(walk, ENAMETOOLONG, name);
        }
        if (!S_ISDIR(st->st_mode))
                return walk_refuse(walk, ENOTDIR, NULL, "is not a folder");

        return walk_judge_folder(walk, st);
}

static int walk_to_root(Walk *walk) {
        struct stat st;

        walk_deinit(walk);
        walk->where[0] = 0;
        walk->dir = walk->rules->root_fd;
        if (fstat(walk->dir, &st) < 0)
                return walk_fail(walk, errno, "");

        return walk_judge_folder(walk, &st);
}

/* Puts the text of the link before what remains. */
static int walk_follow(Walk *walk, int fd, const char *name) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (walk->exposed)
                return walk_refuse(walk, ELOOP, name,
                                   "is a link in or below a folder that others can write");
        if (++walk->links > OPENER_PATH_LINKS_MAX)
                return walk_refuse(walk, ELOOP, name, "is one link too many");

        n = readlinkat(fd, "", target, sizeof(target));
        if (n <= 0)
                return walk_fail(walk, n < 0 ? errno : ENOENT, name);
        if ((size_t)n + 1 + strlen(walk->next) >= sizeof(rest))
                return walk_fail(walk, ENAMETOOLONG, name);

        (void)snprintf(rest, sizeof(rest), "%.*s/%s", (int)n, target, walk->next);
        memcpy(walk->rest, rest, strlen(rest) + 1);
        walk->next = walk->rest;

        return target[0] == '/' ? walk_to_root(walk) : 0;
}

/* Takes the next component off what remains; NULL if there is none. */
static const char *walk_take(Walk *walk) {
        char *name;

        do {
                name = walk->next + strspn(walk->next, "/");
                walk->next = name + strcspn(name, "/");
                if (*walk->next)
                        *walk->next++ = 0;
        } while (streq(name, "."));

        walk->next += strspn(walk->next, "/");
        return *name ? name : NULL;
}

/* What was come to at the end: in whose hands it is was seen on the way. */
static int walk_judge_end(Walk *walk, const char *name, const struct stat *st) {
        if (!walk->exposed)
                return 0;
        if (!walk->rules->connects && st->st_uid != walk->rules->peer)
                return walk_refuse(walk, 0, name,
                                   "does not belong to the user of PeerUser=, as its folder does");
        if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
                return walk_refuse(walk, 0, name,
                                   "has more than one name, in a folder that others can write");
        return 0;
}

/* One component: goes in, follows it, or has come to the end and leaves it in *ret_fd. */
static int walk_step(Walk *walk, const char *name, int *ret_fd, struct stat *ret_stat) {
        _cleanup_close_ int fd = -EBADF;
        const char *reason;
        struct stat st;
        int r;

        fd = openat(walk->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return walk_fail(walk, errno, name);
        /* Before it is asked anything. */
        r = opener_mounts_check(walk->rules->mounts, fd, &reason);
        if (r != 0)
                return walk_refuse(walk, r < 0 ? -r : 0, name, reason);
        if (fstat(fd, &st) < 0)
                return walk_fail(walk, errno, name);

        if (S_ISLNK(st.st_mode))
                return walk_follow(walk, fd, name);
        if (*walk->next)
                return walk_enter_consume(walk, TAKE_FD(fd), name, &st);

        r = walk_judge_end(walk, name, &st);
        if (r != 0)
                return r;

        *ret_stat = st;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int opener_path_walk(const OpenerPathRules *rules, const char *path, int *ret_fd,
                     struct stat *ret_stat, OpenerReply *reply) {
        _cleanup_(walk_deinit) Walk walk = {.rules = rules, .reply = reply, .dir = -EBADF};
        const char *name;
        int r, fd = -EBADF;

        if (path[0] != '/' || strlen(path) >= sizeof(walk.rest))
                return opener_refuse(reply, OPENER_PATH, EINVAL, "%.150s is not a path", path);
        memcpy(walk.rest, path, strlen(path) + 1);
        walk.next = walk.rest;

        r = walk_to_root(&walk);
        while (r == 0 && fd < 0) {
                name = walk_take(&walk);
                if (!name)
                        return walk_refuse(&walk, EISDIR, NULL, "is a folder");
                r = walk_step(&walk, name, &fd, ret_stat);
        }
        if (r != 0)
                return r;

        *ret_fd = fd;
        return 0;
}
