/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "policy/strv.h"
#include "policy/trusted.h"

#define LINKS_MAX 8U

typedef enum Role {
        ROLE_ANCESTOR,
        ROLE_FOLDER,
        ROLE_FILE,
} Role;

/* Takes the text (NULL: no memory) and refuses with it. */
static int refuse_consume(char **ret_reason, char *text) {
        if (!text)
                return -ENOMEM;

        *ret_reason = text;
        return TRUSTED_E_REFUSED;
}

/* What opening failed with, as a refusal: what is there and cannot be read is not absent. What is
 * wrong with this process, and not with the file, stays an error. */
static int refuse_errno(char **ret_reason, const char *path, int error) {
        switch (error) {
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case EINTR:
                return -error;
        default:
                return refuse_consume(ret_reason, strv_format("%s cannot be read: %s", path,
                                                              strerrordesc_np(error)));
        }
}

static bool is_owned(const struct stat *st, uid_t owner) {
        return st->st_uid == 0 || st->st_uid == owner;
}

/* 0 if it is trusted, else as the functions of the header. */
static int check(const struct stat *st, const char *path, Role role, uid_t owner,
                 char **ret_reason) {
        mode_t readable = role == ROLE_FILE ? S_IROTH : S_IROTH | S_IXOTH;

        if (!is_owned(st, owner))
                return refuse_consume(ret_reason,
                                      strv_format("%s belongs to user %u and not to root: "
                                                  "chown root %s",
                                                  path, (unsigned)st->st_uid, path));

        if ((st->st_mode & (S_IWGRP | S_IWOTH)) &&
            !(role == ROLE_ANCESTOR && (st->st_mode & S_ISVTX)))
                return refuse_consume(ret_reason,
                                      strv_format("%s can be written by others than root: "
                                                  "chmod go-w %s",
                                                  path, path));

        if (role != ROLE_ANCESTOR && (st->st_mode & readable) != readable)
                return refuse_consume(ret_reason,
                                      strv_format("%s cannot be read by all of "
                                                  "doorward's users: chmod %s %s",
                                                  path, role == ROLE_FILE ? "a+r" : "a+rx", path));

        return 0;
}

/* A walk along a path: where it stands, what is still to go, and the first thing that was wrong. */
typedef struct Walk {
        int fd;
        char rest[PATH_MAX];
        char reached[PATH_MAX]; /* for the reason */
        unsigned n_links;
        uid_t owner;
        char *reason;
} Walk;

static void walk_deinit(Walk *walk) {
        walk->fd = close_fd(walk->fd);
        free(walk->reason);
        walk->reason = NULL;
}

/* Notes the first reason and goes on: whether the folder is there at all is still to be found. */
static int walk_check(Walk *walk, const struct stat *st, Role role) {
        _cleanup_free_ char *reason = NULL;
        int r;

        r = check(st, walk->reached[0] ? walk->reached : "/", role, walk->owner, &reason);
        if (r == TRUSTED_E_REFUSED && !walk->reason)
                walk->reason = TAKE_PTR(reason);
        return r < 0 ? r : 0;
}

static const char *skip_slashes(const char *text) {
        return text + strspn(text, "/");
}

/* What the place reached is: the folder itself once nothing is to go. */
static Role walk_role(const Walk *walk) {
        return *skip_slashes(walk->rest) ? ROLE_ANCESTOR : ROLE_FOLDER;
}

static int walk_to_root(Walk *walk) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;

        walk->fd = close_fd(walk->fd);
        walk->fd = TAKE_FD(fd);
        walk->reached[0] = '\0';
        return walk_check(walk, &st, walk_role(walk));
}

/* Puts the target of a link before what is still to go. */
static int walk_follow(Walk *walk, int link_fd, const struct stat *st) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (++walk->n_links > LINKS_MAX)
                return -ELOOP;
        if (!is_owned(st, walk->owner) && !walk->reason) {
                walk->reason = strv_format("%s belongs to user %u and not to root", walk->reached,
                                           (unsigned)st->st_uid);
                if (!walk->reason)
                        return -ENOMEM;
        }

        n = readlinkat(link_fd, "", target, sizeof(target));
        if (n < 0)
                return -errno;
        if (n == 0 || (size_t)n + 1 + strlen(walk->rest) >= sizeof(rest))
                return -ENAMETOOLONG;

        memcpy(rest, target, (size_t)n);
        rest[n] = '/';
        memcpy(rest + n + 1, walk->rest, strlen(walk->rest) + 1);
        memcpy(walk->rest, rest, (size_t)n + 1 + strlen(rest + n + 1) + 1);

        if (target[0] == '/')
                return walk_to_root(walk);
        /* The link is where it was: only its own name goes. */
        *strrchr(walk->reached, '/') = '\0';
        return 0;
}

static int walk_step(Walk *walk) {
        const char *next = skip_slashes(walk->rest);
        size_t n = strcspn(next, "/"), used = strlen(walk->reached);
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX + 1];
        struct stat st;

        if (n > NAME_MAX || used + 1 + n >= sizeof(walk->reached))
                return -ENAMETOOLONG;
        memcpy(name, next, n);
        name[n] = '\0';
        memmove(walk->rest, next + n, strlen(next + n) + 1);

        walk->reached[used] = '/';
        memcpy(walk->reached + used + 1, name, n + 1);

        fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return walk_follow(walk, fd, &st);
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;

        walk->fd = close_fd(walk->fd);
        walk->fd = TAKE_FD(fd);
        return walk_check(walk, &st, walk_role(walk));
}

static int walk_along(Walk *walk) {
        int r = walk_to_root(walk);

        while (r >= 0 && *skip_slashes(walk->rest))
                r = walk_step(walk);
        return r;
}

int trusted_open_folder(const char *path, uid_t owner, int *ret_fd, char **ret_reason) {
        _cleanup_(walk_deinit) Walk walk = {.fd = -EBADF, .owner = owner};
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (path[0] != '/' || strlen(path) >= PATH_MAX)
                return -EINVAL;

        memcpy(walk.rest, path, strlen(path) + 1);
        r = walk_along(&walk);
        if (r == -ENOENT)
                return r;
        if (r < 0)
                return refuse_errno(ret_reason, path, -r);

        fd = openat(walk.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return refuse_errno(ret_reason, path, errno);

        *ret_fd = TAKE_FD(fd);
        return walk.reason ? refuse_consume(ret_reason, TAKE_PTR(walk.reason)) : 0;
}

int trusted_open_subfolder(int folder_fd, const char *name, const char *path, uid_t owner,
                           int *ret_fd, char **ret_reason) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0)
                return refuse_errno(ret_reason, path, errno);
        if (fstat(fd, &st) < 0)
                return -errno;

        r = check(&st, path, ROLE_FOLDER, owner, ret_reason);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

/* Whether a name that could not be opened without following links is the link that masks. */
static int check_link(int folder_fd, const char *name, const char *path, char **ret_reason) {
        char target[sizeof("/dev/null") + 1];
        ssize_t n = readlinkat(folder_fd, name, target, sizeof(target));

        if (n == (ssize_t)strlen("/dev/null") && memcmp(target, "/dev/null", (size_t)n) == 0)
                return TRUSTED_E_MASKED;

        return refuse_consume(ret_reason,
                              strv_format("%s is a symbolic link, and only one to /dev/null has a "
                                          "meaning here: put the file itself there",
                                          path));
}

static int read_all(int fd, const char *path, size_t max, char **ret, size_t *ret_size,
                    char **ret_reason) {
        _cleanup_free_ char *text = malloc(max + 2);
        size_t used = 0;

        if (!text)
                return -ENOMEM;

        /* One byte more than allowed shows that there are too many. */
        while (used <= max) {
                ssize_t n = read(fd, text + used, max + 1 - used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return refuse_errno(ret_reason, path, errno);
                if (n == 0)
                        break;
                used += (size_t)n;
        }
        if (used > max)
                return refuse_consume(ret_reason,
                                      strv_format("%s is larger than %zu bytes", path, max));

        text[used] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = used;
        return 0;
}

int trusted_read_file(int folder_fd, const char *name, const char *path, uid_t owner, size_t max,
                      char **ret, size_t *ret_size, char **ret_reason) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        /* Neither a FIFO nor a terminal may hold us up before we see what it is. */
        fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 && errno == ELOOP)
                return check_link(folder_fd, name, path, ret_reason);
        if (fd < 0)
                return refuse_errno(ret_reason, path, errno);

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return refuse_consume(ret_reason, strv_format("%s is not a regular file", path));
        r = check(&st, path, ROLE_FILE, owner, ret_reason);
        if (r != 0)
                return r;
        if (st.st_size == 0)
                return TRUSTED_E_MASKED;

        return read_all(fd, path, max, ret, ret_size, ret_reason);
}
