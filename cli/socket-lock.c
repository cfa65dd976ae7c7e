/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli/inode.h"
#include "cli/socket-lock.h"

/* How often it may have been removed by its holder just before we had it. */
#define ATTEMPTS 64
/* Of the longest number that one can hold, with its newline. */
#define LOCK_SIZE_MAX 12

static pid_t lock_read(const SocketLock *lock) {
        char text[16];
        ssize_t n = pread(lock->fd, text, sizeof(text) - 1, 0);

        text[n > 0 ? n : 0] = 0;
        return (pid_t)atoi(text);
}

/* That the number cannot be written keeps nobody from listening. */
static void lock_write(const SocketLock *lock) {
        char text[16];
        int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

        if (ftruncate(lock->fd, 0) == 0)
                (void)!pwrite(lock->fd, text, (size_t)n, 0);
}

/* Whether one of us may have left it: it is empty, or holds a number and a newline. What another
 * program holds on to is not ours to empty, and what has a second name not ours alone. It has none
 * at all if its holder removes it right now. */
static bool lock_is_ours(const SocketLock *lock) {
        char text[LOCK_SIZE_MAX + 1];
        struct stat st;
        size_t n_digits;
        ssize_t n;

        if (fstat(lock->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
            st.st_nlink > 1)
                return false;

        n = pread(lock->fd, text, sizeof(text), 0);
        if (n <= 0 || n > LOCK_SIZE_MAX)
                return n == 0;
        text[n] = 0;
        n_digits = strspn(text, "0123456789");
        return n_digits > 0 && n_digits == (size_t)n - 1 && text[n_digits] == '\n';
}

static int lock_open(SocketLock *lock) {
        lock->fd = openat(lock->folder, lock->name,
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        if (lock->fd < 0)
                return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EEXIST : -errno;
        return lock_is_ours(lock) ? 0 : -EEXIST;
}

/* 0, SOCKET_LOCK_E_HELD, -EAGAIN if the file went away meanwhile, -errno. */
static int lock_try(SocketLock *lock, pid_t *ret_holder) {
        int r;

        r = lock_open(lock);
        if (r < 0)
                return r;

        if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                *ret_holder = lock_read(lock);
                return SOCKET_LOCK_E_HELD;
        }
        if (!inode_is_at(lock->folder, lock->name, lock->fd))
                return -EAGAIN;

        lock_write(lock);
        return 0;
}

static void lock_close(SocketLock *lock) {
        close_fd(lock->fd);
        close_fd(lock->folder);
        free(lock->name);
        *lock = (SocketLock)SOCKET_LOCK_NULL;
}

static int lock_place(SocketLock *lock, const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = strndup(path, (size_t)(slash > path ? slash - path : 1));

        if (!folder)
                return -ENOMEM;
        if (asprintf(&lock->name, ".%s.lock", slash + 1) < 0) {
                lock->name = NULL;
                return -ENOMEM;
        }

        lock->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return lock->folder < 0 ? -errno : 0;
}

int socket_lock_take(SocketLock *lock, const char *path, pid_t *ret_holder) {
        int r;

        *lock = (SocketLock)SOCKET_LOCK_NULL;
        r = lock_place(lock, path);
        for (int i = 0; r == 0 && i < ATTEMPTS; i++) {
                lock->fd = close_fd(lock->fd);
                r = lock_try(lock, ret_holder);
                if (r == 0)
                        return 0;
                if (r == -EAGAIN && i + 1 < ATTEMPTS)
                        r = 0;
        }

        lock_close(lock);
        return r;
}

void socket_lock_release(SocketLock *lock) {
        if (lock->fd < 0)
                return;

        if (inode_is_at(lock->folder, lock->name, lock->fd))
                (void)unlinkat(lock->folder, lock->name, 0);
        lock_close(lock);
}
