/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cli/inode.h"
#include "cli/private-folder.h"
#include "cli/private-socket.h"

#define OPEN_FOLDER (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Such as can be held and read. */
#define OPEN_HELD (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* What new ones are called, among ours and among everybody's. */
#define PREFIX_OURS "run-"
#define PREFIX_TMP "doorward-run-"
#define ATTEMPTS 64

int private_folder_check(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        return st.st_uid == geteuid() && (st.st_mode & 07777) == 0700 ? 0 : -EPERM;
}

static int open_checked(int parent, const char *name, int flags) {
        _cleanup_close_ int fd = openat(parent, name, flags);
        int r;

        if (fd < 0)
                return -errno;

        r = private_folder_check(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

/* The path goes into environment variables and URIs as it is. */
static bool is_plain(const char *path) {
        return path[0] == '/' && path[strspn(path, "abcdefghijklmnopqrstuvwxyz"
                                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                   "0123456789/._-+")] == 0;
}

static int runtime_open(const char **ret_path) {
        const char *path = secure_getenv("XDG_RUNTIME_DIR");
        int fd;

        if (!path || !is_plain(path))
                return -ENXIO;

        fd = open_checked(AT_FDCWD, path, OPEN_FOLDER);
        if (fd < 0)
                return -ENXIO;

        *ret_path = path;
        return fd;
}

/* 0700, whatever the umask is. */
static int make_folder(int parent, const char *name) {
        if (mkdirat(parent, name, 0700) < 0 || fchmodat(parent, name, 0700, 0) < 0)
                return -errno;
        return 0;
}

static DIR *list_open(int folder) {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);

        if (!list)
                close_fd(fd);
        return list;
}

/* The sockets in one that is dead; by this path, in that and no other. */
static void folder_clear(int fd) {
        DIR *list = list_open(fd);
        struct dirent *entry;

        while (list && (entry = readdir(list))) {
                char path[PATH_MAX];

                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, entry->d_name);
                (void)!private_socket_remove_dead(path);
        }
        if (list)
                (void)closedir(list);
}

/* One that anybody may have put there: in /tmp that may be the place of a mount, whose file system
 * a user serves (FUSE), who need not answer and may lie about whose it is. The kernel stops before
 * it is asked. Where the kernel cannot (before Linux 5.6), nothing is opened. */
static int open_stray(int parent, const char *name) {
        struct open_how how = {.flags = OPEN_HELD,
                               .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
        _cleanup_close_ int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
        int r;

        if (fd < 0)
                return -errno;

        r = private_folder_check(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Nobody who is alive leaves one unheld, but for the moment after it was made: then it is empty,
 * and whoever made it finds that it is gone. What cannot be removed stays. */
static void folder_sweep(int parent, const char *name) {
        _cleanup_close_ int fd = open_stray(parent, name);

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return;

        folder_clear(fd);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
}

static void sweep(int parent, const char *prefix) {
        DIR *list = list_open(parent);
        struct dirent *entry;

        while (list && (entry = readdir(list)))
                if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
                        folder_sweep(parent, entry->d_name);
        if (list)
                (void)closedir(list);
}

int private_folder_init(PrivateFolder *folder) {
        _cleanup_close_ int runtime = -EBADF, fd = -EBADF;
        const char *path;
        int r;

        *folder = (PrivateFolder)PRIVATE_FOLDER_NULL;
        runtime = runtime_open(&path);
        if (runtime < 0)
                return runtime;

        r = make_folder(runtime, "doorward");
        if (r < 0 && r != -EEXIST)
                return r;
        fd = open_checked(runtime, "doorward", OPEN_FOLDER);
        if (fd < 0)
                return fd;
        if (asprintf(&folder->path, "%s/doorward", path) < 0) {
                folder->path = NULL;
                return -ENOMEM;
        }

        sweep(fd, PREFIX_OURS);
        folder->fd = TAKE_FD(fd);
        return 0;
}

static int random_name(const char *prefix, char *buf, size_t size) {
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return -EIO;

        (void)snprintf(buf, size, "%s%08llx", prefix, (unsigned long long)(number & 0xffffffff));
        return 0;
}

/* A new one, held: a descriptor; -EEXIST if there is such a one, or was for a moment. */
static int make_held(int parent, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = make_folder(parent, name);
        if (r == 0)
                r = fd = open_checked(parent, name, OPEN_HELD);
        if (r < 0)
                return r == -ENOENT ? -EEXIST : r;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EEXIST : -errno;
        /* Somebody may have swept it meanwhile. */
        if (!inode_is_at(parent, name, fd))
                return -EEXIST;

        return TAKE_FD(fd);
}

static int make_new(int parent, const char *parent_path, const char *prefix,
                    PrivateFolder *folder) {
        _cleanup_close_ int fd = -EBADF;
        int r, attempts = 0;
        char name[32];

        do {
                r = random_name(prefix, name, sizeof(name));
                if (r == 0)
                        r = fd = make_held(parent, name);
        } while (r == -EEXIST && ++attempts < ATTEMPTS);
        if (r < 0)
                return r;

        if (asprintf(&folder->path, "%s/%s", parent_path, name) < 0) {
                folder->path = NULL;
                (void)unlinkat(parent, name, AT_REMOVEDIR);
                return -ENOMEM;
        }

        folder->fd = TAKE_FD(fd);
        return 0;
}

int private_folder_init_new(PrivateFolder *folder) {
        PrivateFolder runtime;
        int r;

        *folder = (PrivateFolder)PRIVATE_FOLDER_NULL;
        r = private_folder_init(&runtime);
        if (r == 0)
                folder->parent = TAKE_FD(runtime.fd);
        else if (r != -ENOMEM) {
                folder->parent = open("/tmp", OPEN_FOLDER);
                if (folder->parent >= 0)
                        sweep(folder->parent, PREFIX_TMP);
        }

        if (r == -ENOMEM || folder->parent < 0)
                r = r == -ENOMEM ? r : -errno;
        else
                r = make_new(folder->parent, runtime.path ?: "/tmp",
                             runtime.path ? PREFIX_OURS : PREFIX_TMP, folder);

        private_folder_deinit(&runtime);
        if (r < 0)
                folder->parent = close_fd(folder->parent);
        return r;
}

void private_folder_deinit(PrivateFolder *folder) {
        if (folder->parent >= 0 && folder->path)
                (void)unlinkat(folder->parent, strrchr(folder->path, '/') + 1, AT_REMOVEDIR);

        folder->fd = close_fd(folder->fd);
        folder->parent = close_fd(folder->parent);
        free(folder->path);
        folder->path = NULL;
}
