/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "broker/cgroup.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
/* The names of units: systemd.unit(5). */
#define UNIT_CHARACTERS LETTERS DIGITS ":_.\\@-"

static bool ends_with(const char *text, size_t n, const char *suffix) {
        size_t k = strlen(suffix);

        return n > k && memcmp(text + n - k, suffix, k) == 0;
}

static int copy(const char *text, size_t n, char **ret) {
        char *copied = strndup(text, n);

        if (!copied)
                return -ENOMEM;
        *ret = copied;
        return 0;
}

/* "0::/user.slice/...": a number, the controllers and the path. True if what stands behind the
 * number is of this hierarchy. */
static bool line_is_of(const char *line, const char *hierarchy, const char **ret_path) {
        size_t n = strlen(hierarchy);

        if (strncmp(line, hierarchy, n) != 0 || line[n] != '/')
                return false;

        *ret_path = line + n;
        return true;
}

int cgroup_parse_path(const char *text, char **ret) {
        const char *unified = NULL, *own = NULL, *path;

        /* Only whole lines: the last one may be cut. */
        for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
                size_t digits = strspn(line, DIGITS);

                if (digits == 0)
                        continue;
                if (line_is_of(line + digits, "::", &path))
                        unified = path;
                else if (line_is_of(line + digits, ":name=systemd:", &path))
                        own = path;
        }

        /* Where systemd has a hierarchy of its own, it need not use the unified one. */
        path = unified && (!own || unified[1] != '\n') ? unified : own;
        return path ? copy(path, strcspn(path, "\n"), ret) : -ENODATA;
}

int cgroup_get_root(char **ret) {
        static const char own[] = "/init.scope";
        _cleanup_close_ int fd = -EBADF;
        char text[CGROUP_FILE_SIZE], *path;
        ssize_t n = 0;
        size_t k;
        int r;

        fd = open("/proc/1/cgroup", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0)
                n = read(fd, text, sizeof(text) - 1);

        text[n > 0 ? n : 0] = 0;
        r = cgroup_parse_path(text, &path);
        if (r == -ENODATA)
                return copy("", 0, ret);
        if (r < 0)
                return r;

        /* PID 1 is in a unit of its own. */
        k = strlen(path);
        if (k >= strlen(own) && streq(path + k - strlen(own), own))
                path[k - strlen(own)] = 0;
        else if (streq(path, "/"))
                path[0] = 0;

        *ret = path;
        return 0;
}

int cgroup_find_unit(const char *path, const char *root, char **ret) {
        size_t n = strlen(root);

        if (strncmp(path, root, n) != 0)
                return -ENODATA;

        for (path += n; *path == '/'; path += n) {
                path++;
                n = strcspn(path, "/");
                if (ends_with(path, n, ".slice"))
                        continue;

                /* A name that the kernel would take for its own has this before it. */
                if (*path == '_') {
                        path++;
                        n--;
                }
                if (strspn(path, UNIT_CHARACTERS) < n ||
                    !(ends_with(path, n, ".service") || ends_with(path, n, ".scope")))
                        break;
                return copy(path, n, ret);
        }

        return -ENODATA;
}

int cgroup_find_manager(const char *unit, uid_t *ret) {
        static const char before[] = "user@", after[] = ".service";
        uint64_t uid = 0;
        size_t n;

        if (strncmp(unit, before, strlen(before)) != 0)
                return -ENODATA;
        unit += strlen(before);
        n = strspn(unit, DIGITS);
        if (n == 0 || n > 10 || !streq(unit + n, after))
                return -ENODATA;

        for (size_t i = 0; i < n; i++)
                uid = uid * 10 + (uint64_t)(unit[i] - '0');
        if (uid >= UINT32_MAX)
                return -ENODATA;

        *ret = (uid_t)uid;
        return 0;
}

int cgroup_find_session(const char *unit, char **ret) {
        static const char before[] = "session-", after[] = ".scope";
        size_t n;

        if (strncmp(unit, before, strlen(before)) != 0)
                return -ENODATA;
        unit += strlen(before);
        n = strspn(unit, LETTERS DIGITS);
        if (n == 0 || !streq(unit + n, after))
                return -ENODATA;

        return copy(unit, n, ret);
}
