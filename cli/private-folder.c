/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cli/private-folder.h"

#define OPEN_FOLDER (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define ATTEMPTS 64

int private_folder_check(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        return st.st_uid == geteuid() && (st.st_mode & 07777) == 0700 ? 0 : -EPERM;
}

static int open_checked(int parent, const char *name) {
        _cleanup_close_ int fd = openat(parent, name, OPEN_FOLDER);
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

        fd = open_checked(AT_FDCWD, path);
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
        fd = open_checked(runtime, "doorward");
        if (fd < 0)
                return fd;
        if (asprintf(&folder->path, "%s/doorward", path) < 0) {
                folder->path = NULL;
                return -ENOMEM;
        }

        folder->fd = TAKE_FD(fd);
        return 0;
}

static int random_name(char *buf, size_t size) {
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return -EIO;

        (void)snprintf(buf, size, "run-%08llx", (unsigned long long)(number & 0xffffffff));
        return 0;
}

static int make_new(int parent, const char *parent_path, PrivateFolder *folder) {
        _cleanup_close_ int fd = -EBADF;
        char name[32];
        int r;

        for (int i = 0;; i++) {
                r = random_name(name, sizeof(name));
                if (r < 0)
                        return r;
                r = make_folder(parent, name);
                if (r == 0)
                        break;
                if (r != -EEXIST || i == ATTEMPTS)
                        return r;
        }

        fd = open_checked(parent, name);
        if (fd < 0 || asprintf(&folder->path, "%s/%s", parent_path, name) < 0) {
                r = fd < 0 ? fd : -ENOMEM;
                folder->path = NULL;
                (void)unlinkat(parent, name, AT_REMOVEDIR);
                return r;
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
        else if (r != -ENOMEM)
                folder->parent = open("/tmp", OPEN_FOLDER);

        if (r == -ENOMEM || folder->parent < 0)
                r = r == -ENOMEM ? r : -errno;
        else
                r = make_new(folder->parent, runtime.path ?: "/tmp", folder);

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
