#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Macros: ownership by attribute
 *
 * A pointer or descriptor that a function owns is declared with _cleanup_(), and leaves it with
 * TAKE_PTR() or TAKE_FD(). -EBADF is "no descriptor": close(2) and the kernel refuse it, and unlike
 * -1 it never looks like an error code of ours.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_free_ _cleanup_(freep)
#define _must_check_ __attribute__((__warn_unused_result__))
#define _noreturn_ __attribute__((__noreturn__))
#define _printf_(format, first) __attribute__((__format__(__printf__, format, first)))
#define _unused_ __attribute__((__unused__))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

#define TAKE_PTR(p)                        \
        __extension__({                    \
                __typeof__(p) *_pp = &(p); \
                __typeof__(p) _p = *_pp;   \
                *_pp = NULL;               \
                _p;                        \
        })

#define TAKE_FD(fd)                \
        __extension__({            \
                int *_fdp = &(fd); \
                int _fd = *_fdp;   \
                *_fdp = -EBADF;    \
                _fd;               \
        })

/* Defines funcp(), the cleanup handler that hands a pointer to its destructor. */
#define DEFINE_CLEANUP(type, func)            \
        static inline void func##p(type *p) { \
                if (*p)                       \
                        func(*p);             \
        }                                     \
        struct _cleanup_needs_a_semicolon

/* Closes and returns -EBADF, for fd = close_fd(fd). errno is kept: this runs on error paths. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void)close(fd);
                errno = saved;
        }

        return -EBADF;
}

static inline void close_fdp(int *fd) {
        *fd = close_fd(*fd);
}

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void fclosep(FILE **file) {
        if (*file)
                (void)fclose(*file);
}

/* Copies the text, or as much of it as fits, with a NUL; false if that was not all. */
static inline bool copy_text(char *buf, size_t size, const char *text) {
        size_t n = strlen(text), kept = n < size ? n : size - 1;

        memcpy(buf, text, kept);
        buf[kept] = 0;
        return n < size;
}

/* A copy, or NULL of NULL. -ENOMEM. */
static inline int copy_string(const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Frees a NULL-terminated vector of strings; returns NULL. */
static inline char **strv_free(char **strv) {
        for (char **s = strv; s && *s; s++)
                free(*s);
        free(strv);
        return NULL;
}
DEFINE_CLEANUP(char **, strv_free);
